// What goes wrong while the engine runs: a request's own failure ends that request, the device's ends them all and is told.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { Engine } from "../../engine/engine.ts";
import { openCpuDevice, startWorker } from "../../node/cpu.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { raises } from "../raises.ts";
import { idsFrom, NANO_OPTIONS, OTHER, overflowEndsOnlyItsOwn, STREAM, TOO_LARGE } from "./failure_cases.ts";

/** `most`: devices that can be opened. */
async function open(most = 1): Promise<{ engine: Engine; threads: Worker[] }> {
  const threads: Worker[] = [];
  let opened = 0;
  const openDevice = async () => {
    if (opened++ >= most) throw new MoloraError("no_gpu_adapter", "no device is left");
    return openCpuDevice({
      threads: 2,
      start: (...setup) => {
        threads.push(startWorker(...setup));
        return threads.at(-1)!;
      },
    });
  };
  return { engine: await Engine.load({ ...nodeHost(), openDevice }, NANO_OPTIONS), threads };
}

let engine: Engine;
let threads: Worker[];
const idsOf = (request: GenerateRequest) => idsFrom(engine, request);

before(async () => {
  ({ engine, threads } = await open());
});
after(() => engine.close());

test("logits that are no numbers end their request with numeric_overflow; those beside it go on", () =>
  overflowEndsOnlyItsOwn(engine));

test("pages, slots and prefixes of a broken request bring nobody else down", async () => {
  const expected = await idsOf({ ...OTHER, maxTokens: 60 });
  const free = engine.stats().pagesFree;
  for (let i = 0; i < 40; i++) await raises("numeric_overflow", /finite/, () => idsOf(TOO_LARGE));
  assert.equal(engine.stats().pagesFree, free);
  const many = await Promise.all(Array.from({ length: 24 }, () => idsOf({ ...OTHER, maxTokens: 60 })));
  for (const ids of many) assert.deepEqual(ids, expected);
  assert.equal(engine.stats().running, 0);
});

test("what fails while one request's token is read ends that request only", async () => {
  const expected = await Promise.all([idsOf(STREAM), idsOf(OTHER)]);
  const fatal = expected[0].find((id) => !expected[1].includes(id));
  assert.ok(fatal !== undefined);
  const { tokenizer } = engine;
  const idBytes = tokenizer.idBytes.bind(tokenizer);
  tokenizer.idBytes = (id) => {
    if (id === fatal) throw new Error("this token cannot be read");
    return idBytes(id);
  };
  try {
    const [fails, goesOn] = [idsOf(STREAM), idsOf(OTHER)];
    await raises("internal", /cannot be read/, () => fails);
    assert.deepEqual(await goesOn, expected[1]);
  } finally {
    tokenizer.idBytes = idBytes;
  }
  assert.deepEqual(await idsOf(STREAM), expected[0]);
});

test("a caller whose own code throws leaves nothing behind", async () => {
  const failing = engine.generate(
    { ...STREAM, maxTokens: 800 },
    {
      onAccepted: () => {
        throw new Error("the caller's own");
      },
    },
  );
  await assert.rejects(failing.next(), /the caller's own/);
  assert.deepEqual([engine.stats().running, engine.stats().waiting], [0, 0]);
});

test("where no other device can be had, a lost one ends every request with the reason, and the engine says so from then on", async () => {
  let told: MoloraError | undefined;
  void engine.ended.then((error) => {
    told = error;
  });
  assert.equal(engine.closed, undefined);
  const running = [idsOf({ ...STREAM, maxTokens: 900 }), idsOf({ ...OTHER, maxTokens: 900 })];
  const settled = Promise.allSettled(running);
  setTimeout(() => threads[1].terminate(), 50);
  for (const outcome of await settled) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof MoloraError);
  }
  assert.equal(told?.code, "gpu_lost");
  assert.equal(engine.closed, told);
  assert.match(told?.message ?? "", /none can be opened: no device is left/);
  await raises("gpu_lost", /device was lost/, () => idsOf(STREAM));
});

test("what ran on a lost device goes on on the next one (lost_device.slow.test.ts has all kinds of requests)", async () => {
  const opened = await open(2);
  try {
    const expected = await idsFrom(opened.engine, STREAM);
    const running = idsFrom(opened.engine, STREAM);
    setTimeout(() => opened.threads[1].terminate(), 20);
    assert.deepEqual(await running, expected);
    assert.equal(opened.engine.counters.revivals, 1);
  } finally {
    await opened.engine.close();
  }
});
