// A device that is lost while requests run: another takes its place, and every request goes on to the answer it would have had.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Worker } from "node:worker_threads";
import { Engine } from "../../engine/engine.ts";
import type { EngineOptions } from "../../engine/options.ts";
import { openCpuDevice, startWorker } from "../../node/cpu.ts";
import { nodeHost } from "../../node/host.ts";
import type { DoneEvent, GenerateRequest, TokenEvent } from "../../proto/api.ts";
import { raises } from "../raises.ts";
import { NANO_OPTIONS, OTHER, STREAM } from "./failure_cases.ts";
import { FAMILY_MODELS } from "./families.ts";
import { collect } from "./parity.ts";

interface Opened {
  load(options: EngineOptions): Promise<Engine>;
  /** Of each device. */
  crews: Worker[][];
  /** Ends a thread of the device that was opened last. */
  lose(): void;
}

function host(t: TestContext): Opened {
  const crews: Worker[][] = [];
  const engines: Engine[] = [];
  const openDevice = async () => {
    const crew: Worker[] = [];
    crews.push(crew);
    const start: typeof startWorker = (...setup) => {
      crew.push(startWorker(...setup));
      return crew.at(-1)!;
    };
    return openCpuDevice({ threads: 2, start });
  };
  t.after(async () => {
    for (const engine of engines) await engine.close();
  });
  return {
    crews,
    async load(options) {
      engines.push(await Engine.load({ ...nodeHost(), openDevice }, options));
      return engines.at(-1)!;
    },
    lose: () => void crews.at(-1)![0].terminate(),
  };
}

const SCHEMA = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
/** Of every kind of state that lies on the device. */
const REQUESTS: readonly GenerateRequest[] = [
  { ...STREAM, maxTokens: 24, trace: true },
  { ...OTHER, maxTokens: 24, logprobs: 3 },
  { prompt: "Say something.", maxTokens: 24, ignoreEos: true, temperature: 1, topP: 0.9, seed: 7 },
  { prompt: "Count.", maxTokens: 24, ignoreEos: true, temperature: 1, seed: 8, repetitionPenalty: 1.3 },
  { prompt: `Words: ${"one two three ".repeat(40)}`, maxTokens: 8, promptLogprobs: 2, adapter: "math" },
  { prompt: `Scored: ${"four five six ".repeat(40)}`, maxTokens: 0, promptLogprobs: 0 },
  {
    messages: [{ role: "user", content: "JSON." }],
    maxTokens: 30,
    responseFormat: { type: "json_schema", schema: SCHEMA },
  },
  { ...OTHER, maxTokens: 24, logitBias: [{ id: 20, bias: 3 }] },
];

async function answerOf(engine: Engine, request: GenerateRequest): Promise<unknown> {
  const { tokens, done } = await collect(engine, request);
  return plain(tokens, done);
}

function plain(tokens: readonly TokenEvent[], { finishReason, text, usage, generations, promptLogprobs }: DoneEvent) {
  const { promptTokens, completionTokens } = usage;
  return { tokens, finishReason, text, promptTokens, completionTokens, generations, promptLogprobs };
}

test("all that runs and waits is answered as if nothing had happened", async (t) => {
  const { load, lose, crews } = host(t);
  const told: string[] = [];
  // Fewer at once than there are requests, so that some wait.
  const engine = await load({ ...NANO_OPTIONS, maxSequences: 5, onDeviceLost: ({ code }) => told.push(code) });
  const expected: unknown[] = [];
  for (const request of REQUESTS) expected.push(await answerOf(engine, request));
  for (const after of [5, 60]) {
    const answers = REQUESTS.map((request) => answerOf(engine, request));
    setTimeout(lose, after);
    assert.deepEqual(await Promise.all(answers), expected);
  }
  assert.ok(engine.counters.revivals >= 1);
  assert.equal(crews.length, 1 + engine.counters.revivals);
  assert.deepEqual(
    told,
    crews.slice(1).map(() => "gpu_lost"),
  );
  assert.equal(engine.closed, undefined);
  const { running, waiting } = engine.stats();
  assert.deepEqual([running, waiting], [0, 0]);
});

test("engines that share the device share the next one too, and it is opened once", async (t) => {
  const { load, lose, crews } = host(t);
  const [first, second] = [await load(NANO_OPTIONS), await load(NANO_OPTIONS)];
  const expected = [await answerOf(first, STREAM), await answerOf(first, OTHER)];
  const answers = [answerOf(first, STREAM), answerOf(second, OTHER), answerOf(second, STREAM)];
  setTimeout(lose, 20);
  assert.deepEqual(await Promise.all(answers), [...expected, expected[0]]);
  assert.equal(crews.length, 2);
  await second.close();
  assert.deepEqual(await answerOf(first, OTHER), expected[1]);
  assert.deepEqual(await answerOf(await load(NANO_OPTIONS), OTHER), expected[1]);
  assert.equal(crews.length, 2);
});

test("an engine that was idle finds out with its next request; an adapter can be loaded then", async (t) => {
  const { load, lose } = host(t);
  const engine = await load({ model: NANO_OPTIONS.model });
  const alone = await load(NANO_OPTIONS);
  const expected = await answerOf(alone, OTHER);
  lose();
  await new Promise((resolve) => setTimeout(resolve, 100));
  await engine.loadAdapter("math", NANO_OPTIONS.adapters.math);
  assert.deepEqual(await answerOf(engine, OTHER), expected);
});

test("embeddings and heads of adapters are there again", async (t) => {
  const { load, lose, crews } = host(t);
  const path = "test/fixtures/vocabulary/llama-biases";
  const fixture = JSON.parse(readFileSync(`${path}/expected.json`, "utf8"));
  const names = ["saved", "rows", "tables", "r2"];
  const adapters = Object.fromEntries(names.map((name) => [name, `${path}/adapters/${name}`]));
  const engine = await load({ model: `${FAMILY_MODELS}/${fixture.model}`, dtype: "f32", contextLength: 256, adapters });
  const { ids } = fixture.prompts[0];
  const all = () =>
    Promise.all(
      names.map((adapter) => answerOf(engine, { ids, maxTokens: 12, ignoreEos: true, logprobs: 2, adapter })),
    );
  const before = await all();
  assert.equal(new Set(before.map((each) => JSON.stringify(each))).size, names.length);
  lose();
  assert.deepEqual(await all(), before);
  assert.equal(crews.length, 2);
});

test("a request that was cancelled while the device was away ends so", async (t) => {
  const { load, lose } = host(t);
  const engine = await load(NANO_OPTIONS);
  const abort = new AbortController();
  const running = collect(engine, { ...STREAM, maxTokens: 400 }, { signal: abort.signal });
  setTimeout(() => {
    lose();
    setTimeout(() => abort.abort(), 5);
  }, 30);
  assert.equal((await running).done.finishReason, "cancelled");
  assert.equal(engine.stats().running, 0);
});

/** Bytes of address space, of which each CPU device's memory reserves gigabytes. Linux tells. */
function addressSpace(): number {
  return 1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

test("the memory of a lost device is given back", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux says how much address space is taken");
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const settled = async () => {
    for (let i = 0; i < 3; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return addressSpace();
  };
  const { load, lose } = host(t);
  const engine = await load(NANO_OPTIONS);
  const lost = async () => {
    const running = answerOf(engine, { ...STREAM, maxTokens: 200 });
    setTimeout(lose, 30);
    await running;
    return settled();
  };
  const [first, second] = [await lost(), await lost()];
  assert.equal(engine.counters.revivals, 2);
  assert.ok(second - first < 4 * 2 ** 30, `${second - first} bytes more`);
});

test("a device that is lost again and again is given up", async (t) => {
  const { load, lose } = host(t);
  const engine = await load(NANO_OPTIONS);
  const running = answerOf(engine, { ...STREAM, maxTokens: 900 });
  const failed = raises("gpu_lost", /lost 4 times within ten minutes/, () => running);
  const timer = setInterval(lose, 60);
  await failed;
  clearInterval(timer);
  assert.equal(engine.closed?.code, "gpu_lost");
});
