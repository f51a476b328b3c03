// llama.cpp as one of the compared, through node-llama-cpp, which is no dependency: LLAMA is a folder it is installed in.
// It serves one adapter a context, so the eight run one after another, on the base alone: an adapter would only slow it.
// Usage: node dist/perf/peers/llama.js MODEL THREADS LLAMA

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
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

/** As much of node-llama-cpp as is used. */
interface Sequence {
  evaluate(tokens: number[], options: { temperature: number; yieldEogToken: boolean }): AsyncGenerator<number>;
  clearHistory(): Promise<void>;
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<{
    createContext(options: object): Promise<{ getSequence(): Sequence; dispose(): Promise<void> }>;
  }>;
}

const [modelPath, threads, folder] = process.argv.slice(2);
const resolved = createRequire(join(folder, "package.json")).resolve("node-llama-cpp");
const { getLlama } = (await import(pathToFileURL(resolved).href)) as { getLlama(options: object): Promise<Llama> };
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads: Number(threads) });
const begun = performance.now();
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads: Number(threads) });
const sequence = context.getSequence();
const loaded = { loadMs: performance.now() - begun, residentMB: residentMB() };

/** Reads a prompt and decodes `count` tokens; returns when the first of them came. */
async function generate(prompt: number, count: number, by = sequence): Promise<number> {
  await by.clearHistory();
  let first = 0;
  let got = 0;
  for await (const _ of by.evaluate(promptOf(prompt), { temperature: 0, yieldEogToken: true })) {
    if (got++ === 0) first = performance.now();
    if (got === count) break;
  }
  return first;
}

async function round() {
  const start = performance.now();
  const first = await generate(READ, 1 + DECODED);
  const decode = speed(DECODED, first);
  const together = performance.now();
  for (let i = 0; i < TOGETHER; i++) await generate(SHORT_PROMPT, TOGETHER_DECODED);
  return {
    prefill: (1000 * READ) / (first - start),
    decode,
    together: speed(TOGETHER * TOGETHER_DECODED, together),
  };
}

/** In a context of their own, each sequence as long as it needs. */
async function crowd() {
  const options = { sequences: CROWD, contextSize: READ + TOGETHER_DECODED, batchSize: 512, threads: Number(threads) };
  await context.dispose();
  const many = await model.createContext(options);
  const sequences = Array.from({ length: CROWD }, () => many.getSequence());
  await Promise.all(sequences.map((each) => generate(READ, TOGETHER_DECODED, each)));
}

await serveWork(loaded, { round, crowd });
