// Engines of one base in one process: one copy of the weights and one crew of threads, and nothing else in common.

import assert from "node:assert/strict";
import { cp, mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { keepBackbone } from "../../engine/backbones.ts";
import type { CpuDevice } from "../../engine/cpu/cpu_device.ts";
import { Engine } from "../../engine/engine.ts";
import type { Host } from "../../engine/host.ts";
import type { EngineOptions } from "../../engine/options.ts";
import { openCpuDevice, startWorker } from "../../node/cpu.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { raises } from "../raises.ts";
import { idsFrom, NANO_OPTIONS, OTHER, STREAM, TOO_LARGE } from "./failure_cases.ts";

const NANO = NANO_OPTIONS.model;
const SQL: GenerateRequest = { prompt: "List all users.", maxTokens: 40, ignoreEos: true, adapter: "sql" };
const SMALL = { poolBytes: 32 * 2 ** 20, contextLength: 1024, maxSequences: 4 };
const MATH: EngineOptions = { model: NANO, adapters: NANO_OPTIONS.adapters, ...SMALL };
const OTHERS: EngineOptions = { ...NANO_OPTIONS, adapters: { sql: `${NANO}/adapters/sql` }, ...SMALL, maxSequences: 2 };

interface House {
  host: Host;
  /** No further device can be opened meanwhile. */
  full: boolean;
  devices: CpuDevice[];
  threads: Worker[];
  load(options: EngineOptions): Promise<Engine>;
}

/** A host of its own, which counts what it opens. What is loaded is closed behind the test. */
function house(t: TestContext, more: Partial<Host> = {}): House {
  const devices: CpuDevice[] = [];
  const threads: Worker[] = [];
  const openDevice = async () => {
    if (made.full) throw new MoloraError("no_gpu_adapter", "no device is left");
    const start: typeof startWorker = (...setup) => {
      threads.push(startWorker(...setup));
      return threads.at(-1)!;
    };
    devices.push(await openCpuDevice({ threads: 2, start }));
    return devices.at(-1)!;
  };
  const host = { ...nodeHost(), openDevice, ...more };
  const loaded: Engine[] = [];
  t.after(async () => {
    for (const engine of loaded) await engine.close();
  });
  const load = async (options: EngineOptions) => {
    loaded.push(await Engine.load(host, options));
    return loaded.at(-1)!;
  };
  const made = { host, devices, threads, load, full: false };
  return made;
}

/** What each request says where its engine is alone. */
async function alone(): Promise<{ math: number[]; routed: number[]; sql: number[] }> {
  const engine = await Engine.load(nodeHost(), {
    ...NANO_OPTIONS,
    adapters: { ...NANO_OPTIONS.adapters, sql: `${NANO}/adapters/sql` },
  });
  try {
    const [math, routed, sql] = await Promise.all([OTHER, STREAM, SQL].map((request) => idsFrom(engine, request)));
    return { math, routed, sql };
  } finally {
    await engine.close();
  }
}

test("two engines of one base answer as each does alone, over one copy of the weights", async (t) => {
  const expected = await alone();
  const { load, devices } = house(t);
  const first = await load(MATH);
  const whole = devices[0].bytes;
  const second = await load(OTHERS);
  assert.equal(devices.length, 1);
  assert.deepEqual([first.sharedBy, second.sharedBy], [2, 2]);
  assert.equal(first.baseBytes, second.baseBytes);
  assert.equal(devices[0].bytes - whole, second.deviceBytes - second.baseBytes);
  const answers = await Promise.all([
    ...Array.from({ length: 3 }, () => idsFrom(first, OTHER)),
    ...Array.from({ length: 3 }, () => idsFrom(second, STREAM)),
    idsFrom(second, SQL),
  ]);
  const { math, routed, sql } = expected;
  assert.deepEqual(answers, [math, math, math, routed, routed, routed, sql]);
  await raises("unknown_adapter", /sql/, () => idsFrom(first, SQL));
  assert.deepEqual([first.capacity.sequences, second.capacity.sequences], [4, 2]);
  const names = (engine: Engine) => engine.listAdapters().map(({ name }) => name);
  assert.deepEqual(names(first), ["math"]);
  assert.deepEqual(names(second).sort(), ["code", "math", "medical", "sql"]);
});

test("one that closes frees what was its own and leaves the other's stream alone; the last frees all", async (t) => {
  const expected = (await alone()).math;
  const { load, devices, threads } = house(t);
  const stays = await load(MATH);
  const before = devices[0].bytes;
  for (let i = 0; i < 3; i++) {
    const goes = await load(OTHERS);
    const cut = idsFrom(goes, { ...STREAM, maxTokens: 900 });
    const streaming = idsFrom(stays, OTHER);
    const ended = raises("engine_closed", /closed/, () => cut);
    await Promise.all([goes.close(), ended]);
    assert.deepEqual(await streaming, expected);
    assert.equal(devices[0].bytes, before);
    assert.equal(stays.sharedBy, 1);
  }
  assert.equal(threads.length, 2);
  const ends = threads.map((thread) => new Promise((resolve) => thread.once("exit", resolve)));
  await stays.close();
  await Promise.all(ends);
  assert.equal(devices[0].bytes, 0);
  assert.deepEqual(await idsFrom(await load(MATH), OTHER), expected);
  assert.equal(devices.length, 2);
});

test("what fails in one engine, or while it loads, is nothing to the other", async (t) => {
  const expected = (await alone()).routed;
  const { load, devices } = house(t);
  const [good, bad, missing] = await Promise.allSettled([
    load(OTHERS),
    load({ ...MATH, contextLength: 10 ** 6 }),
    load({ ...MATH, adapters: { none: "models/nano/adapters/none" } }),
  ]);
  assert.equal(devices.length, 1);
  assert.equal(bad.status === "rejected" && bad.reason.code, "bad_arguments");
  assert.equal(missing.status === "rejected" && missing.reason.code, "file_not_found");
  assert.ok(good.status === "fulfilled");
  assert.equal(good.value.sharedBy, 1);
  const beside = await load(MATH);
  const streams = Promise.all([1, 2].map(() => idsFrom(good.value, STREAM)));
  for (let i = 0; i < 4; i++) await raises("numeric_overflow", /finite/, () => idsFrom(beside, TOO_LARGE));
  assert.deepEqual(await streams, [expected, expected]);
});

test("a device that is lost, with none in its place, ends all engines on it; the next one loaded gets another", async (t) => {
  const expected = (await alone()).math;
  const home = house(t);
  const engines = [await home.load(MATH), await home.load(OTHERS)];
  const running = engines.map((engine) => idsFrom(engine, { prompt: "Hello.", maxTokens: 900, ignoreEos: true }));
  const settled = Promise.allSettled(running);
  setTimeout(() => {
    home.full = true;
    home.threads[1].terminate();
  }, 50);
  for (const outcome of await settled) assert.equal(outcome.status === "rejected" && outcome.reason.code, "gpu_lost");
  home.full = false;
  const again = await home.load(MATH);
  assert.equal(home.devices.length, 2);
  assert.equal(again.sharedBy, 1);
  assert.deepEqual(await idsFrom(again, OTHER), expected);
});

test("an engine for which the shared device has no room gets one of its own", async (t) => {
  const expected = (await alone()).math;
  const { load, devices } = house(t);
  const large = { ...MATH, poolBytes: 2 ** 31 };
  const [first, second] = [await load(large), await load(large)];
  assert.deepEqual([devices.length, first.sharedBy, second.sharedBy], [2, 1, 1]);
  assert.deepEqual(await Promise.all([idsFrom(first, OTHER), idsFrom(second, OTHER)]), [expected, expected]);
  assert.equal((await load(MATH)).sharedBy, 2, "a small one still finds room");
});

test("files that changed are another base", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-base-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", "nano.Q8_0.gguf"]) {
    await cp(join(NANO, name), join(folder, name));
  }
  const { load, devices } = house(t);
  const model = { model: folder, ...SMALL };
  const first = await load(model);
  assert.equal((await load({ ...model, dtype: "f16" })).sharedBy, 1);
  await utimes(join(folder, "nano.Q8_0.gguf"), new Date(), new Date());
  const second = await load(model);
  assert.equal(devices.length, 3);
  assert.deepEqual([first.sharedBy, second.sharedBy], [1, 1]);
});

test("where memory is short, whoever can give some up is asked before the weights are read", async (t) => {
  let free = 0;
  const { load } = house(t, { freeBytes: () => free });
  const asked: number[] = [];
  const onPressure = async (bytes: number) => void asked.push(bytes);
  const { baseBytes } = await load({ ...MATH, onPressure });
  assert.equal(asked.length, 1);
  assert.ok(asked[0] > 0 && asked[0] <= 1.01 * baseBytes, `${asked[0]} of ${baseBytes}`);
  await load({ ...OTHERS, onPressure });
  assert.equal(asked.length, 1, "a base that is loaded needs none");
  free = Number.POSITIVE_INFINITY;
  await load({ ...MATH, dtype: "f16", onPressure });
  assert.equal(asked.length, 1);
});

test("a base that is kept serves the engines that come, until another one needs its memory", async (t) => {
  let free = Number.POSITIVE_INFINITY;
  const { host, load, devices } = house(t, { freeBytes: () => free });
  const kept = await keepBackbone(host, { model: NANO });
  assert.ok(kept.bytes > 0);
  const engine = await load(MATH);
  assert.deepEqual([devices.length, engine.sharedBy], [1, 2]);
  free = 0;
  const other = { ...MATH, dtype: "f16" } as const;
  await (await load(other)).close();
  assert.ok(kept.kept, "an engine uses it");
  await engine.close();
  assert.ok(devices[0].bytes > 0);
  await (await load(other)).close();
  assert.ok(!kept.kept);
  assert.equal(devices[0].bytes, 0);
  await kept.release();
});
