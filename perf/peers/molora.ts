// molora as one of the compared: int8 activations, every sequence in one engine.
// Usage: node dist/perf/peers/molora.js MODEL THREADS ADAPTERS, a folder of v0 to v7.

import { join } from "node:path";
import { timeRequest } from "../../cli/bench/timing.ts";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import {
  CROWD,
  DECODED,
  promptOf,
  READ,
  residentMB,
  SHORT_PROMPT,
  serveWork,
  speed,
  TOGETHER,
  TOGETHER_DECODED,
} from "./work.ts";

const [model, threads, adapters] = process.argv.slice(2);
const names = Array.from({ length: TOGETHER }, (_, i) => `v${i}`);
const begun = performance.now();
const engine = await Engine.load(nodeHost(), { model, device: "cpu", threads: Number(threads), activations: "q8" });
const loaded = { loadMs: performance.now() - begun, residentMB: residentMB() };
for (const name of names) await engine.loadAdapter(name, join(adapters, name));

async function round() {
  const at = await timeRequest(engine, { ids: promptOf(READ), maxTokens: 1 + DECODED });
  const start = performance.now();
  await Promise.all(
    names.map((adapter) => timeRequest(engine, { ids: promptOf(SHORT_PROMPT), maxTokens: TOGETHER_DECODED, adapter })),
  );
  return {
    prefill: (1000 * READ) / at[0],
    decode: (1000 * DECODED) / (at[DECODED] - at[0]),
    together: speed(TOGETHER * TOGETHER_DECODED, start),
  };
}

async function crowd() {
  const one = (_: unknown, i: number) =>
    timeRequest(engine, { ids: promptOf(READ), maxTokens: TOGETHER_DECODED, adapter: names[i % names.length] });
  await Promise.all(Array.from({ length: CROWD }, one));
}

await serveWork(loaded, { round, crowd });
