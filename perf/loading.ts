// What loading and first uses cost: the engine's load, each adapter's and the mixture's, and the first token after loading
// against later ones; beside the wall clock the main thread's own processor time, which other work on the machine leaves
// alone (Linux; elsewhere the wall clock again), and its longest stretch without a turn of the event loop.
// Usage: node dist/perf/loading.js [--later N]

import { openSync, readSync } from "node:fs";
import { parseArgs } from "node:util";
import { Engine } from "../engine/engine.ts";
import { nodeHost } from "../node/host.ts";
import { fetchSmolLM2 } from "../node/smollm2.ts";
import type { Routing } from "../proto/api.ts";

const { values } = parseArgs({ options: { later: { type: "string", default: "6" } } });
const FOLDER = "models/smollm2";
const PROMPT_TOKENS = 24;

const clock = threadClock();
let last = clock();
let longest = 0;
setInterval(look, 1).unref();

function look(): void {
  const now = clock();
  longest = Math.max(longest, now - last);
  last = now;
}

/** Milliseconds that this thread has computed. */
function threadClock(): () => number {
  if (process.platform !== "linux") return () => performance.now();
  const file = openSync("/proc/thread-self/schedstat", "r");
  const bytes = Buffer.alloc(64);
  return () => {
    readSync(file, bytes, 0, bytes.length, 0);
    return Number.parseInt(bytes.toString("latin1"), 10) / 1e6;
  };
}

async function measured<T>(name: string, work: () => Promise<T>): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  look();
  longest = 0;
  const [wall, thread] = [performance.now(), clock()];
  const value = await work();
  const figures = [performance.now() - wall, clock() - thread];
  await new Promise((resolve) => setTimeout(resolve, 5));
  look();
  const [ms, main, block] = [...figures, longest].map((figure) => figure.toFixed(1).padStart(8));
  console.log(`${name.padEnd(24)} ${ms} ms, main thread ${main}, longest stretch ${block}`);
  return value;
}

let salt = 0;
async function firstToken(engine: Engine, routing: Routing): Promise<void> {
  const ids = Array.from({ length: PROMPT_TOKENS }, (_, i) => 20 + ((i * 37 + salt * 101) % 4000));
  salt++;
  for await (const _ of engine.generate({ ids, maxTokens: 1, ignoreEos: true, ...routing }));
}

const model = await fetchSmolLM2();
const engine = await measured("load", () => Engine.load(nodeHost(), { model }));
for (let i = 0; i <= Number(values.later); i++) {
  await measured(i === 0 ? "base, first token" : "base, later", () => firstToken(engine, {}));
}
await measured("load adapter code", () => engine.loadAdapter("code", `${FOLDER}/adapters/code`));
await measured("load the mixture", () => engine.loadMixture("default", `${FOLDER}/mixtures/default`));
for (let i = 0; i <= Number(values.later); i++) {
  const name = i === 0 ? "mixture, first token" : "mixture, later";
  await measured(name, () => firstToken(engine, { mixture: "default" }));
}
await engine.close();
