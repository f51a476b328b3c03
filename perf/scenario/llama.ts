// A call scored in llama.cpp by one adapter after another, through node-llama-cpp, which is no dependency: each adapter is of a
// context of its own. Usage: node dist/perf/scenario/llama.js MODEL THREADS LLAMA ADAPTERS COUNT ANSWER; prints JSON.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { folderName } from "../serving/adapter_folders.ts";
import type { Scored } from "./scored.ts";

/** As much of node-llama-cpp as is used. */
interface Context {
  getSequence(): {
    evaluate(tokens: number[], options: { temperature: number; yieldEogToken: boolean }): AsyncGenerator<number>;
  };
  dispose(): Promise<void>;
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<{ createContext(options: object): Promise<Context> }>;
}

const [modelPath, threadCount, folder, adapters, count, answer] = process.argv.slice(2);
const threads = Number(threadCount);
const resolved = createRequire(join(folder, "package.json")).resolve("node-llama-cpp");
const { getLlama } = (await import(pathToFileURL(resolved).href)) as { getLlama(options: object): Promise<Llama> };
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads: threads });
const model = await llama.loadModel({ modelPath });
// The prompts' ids come from molora, so that both read the same: this tokenizer puts other tokens around them.
const prompts: number[][] = JSON.parse(readFileSync(0, "utf8"));

const worked = process.cpuUsage();
const begun = performance.now();
const firstTokenMs: number[] = [];
for (let i = 0; i < Number(count); i++) {
  const filePath = join(adapters, `${folderName(i)}.gguf`);
  const options = { contextSize: 1024, batchSize: 512, threads, lora: { adapters: [{ filePath }] } };
  const context = await model.createContext(options);
  let got = 0;
  for await (const _ of context.getSequence().evaluate(prompts[i], { temperature: 0, yieldEogToken: true })) {
    if (got++ === 0) firstTokenMs.push(performance.now() - begun);
    if (got === Number(answer)) break;
  }
  await context.dispose();
}
const seconds = (performance.now() - begun) / 1000;
const { user, system } = process.cpuUsage(worked);
const scored: Scored = {
  seconds,
  processorSeconds: (user + system) / 1e6,
  residentMiB: process.memoryUsage.rss() / 2 ** 20,
  firstTokenMs,
};
console.log(JSON.stringify(scored));
process.exit(0);
