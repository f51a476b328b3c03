// llama.cpp as the other side of a test, through node-llama-cpp, which is no dependency: MOLORA_LLAMA_CPP names a folder
// that it is installed in.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** As much of node-llama-cpp as is used. */
interface Sequence {
  controlledEvaluate(
    input: [number, { generateNext: { totalLogitWeight: true; logits: { filter: Filter } } }][],
  ): Promise<({ next: { logits?: Map<number, number>; totalLogitWeight?: number } } | undefined)[]>;
}
/** Which logits to bring. Selected is the likeliest: nothing is sampled. */
interface Filter {
  tokens: number[];
  includeSelected: true;
}
interface Model {
  tokenize(text: string, special: boolean): number[];
  tokens: { bos: number | null; shouldPrependBosToken: boolean };
  createContext(options: object): Promise<{ getSequence(): Sequence; dispose(): Promise<void> }>;
  dispose(): Promise<void>;
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<Model>;
  dispose(): Promise<void>;
}

export const LLAMA_CPP = process.env.MOLORA_LLAMA_CPP;

export interface LlamaCpp {
  /** A text's ids, with what goes before it. */
  tokenize(text: string): number[];
  /** The loss of ids 1 and on, in nats. */
  loss(ids: readonly number[]): Promise<number>;
  close(): Promise<void>;
}

export async function openLlamaCpp(folder: string, modelPath: string): Promise<LlamaCpp> {
  const resolved = createRequire(join(folder, "package.json")).resolve("node-llama-cpp");
  const { getLlama } = (await import(pathToFileURL(resolved).href)) as { getLlama(options: object): Promise<Llama> };
  const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error", maxThreads: 1 });
  const model = await llama.loadModel({ modelPath });
  return {
    tokenize(text) {
      const { bos, shouldPrependBosToken } = model.tokens;
      return [...(shouldPrependBosToken && bos !== null ? [bos] : []), ...model.tokenize(text, false)];
    },
    async loss(ids) {
      const context = await model.createContext({ contextSize: ids.length + 1, threads: 1 });
      const wanted = (i: number): Filter => ({ tokens: [ids[i + 1]!], includeSelected: true });
      const read = await context
        .getSequence()
        .controlledEvaluate(
          ids
            .slice(0, -1)
            .map((id, i) => [id, { generateNext: { totalLogitWeight: true, logits: { filter: wanted(i) } } }]),
        );
      let loss = 0;
      for (const [i, found] of read.entries()) {
        const { logits, totalLogitWeight } = found!.next;
        // The weights that are summed up are e^(logit − the largest logit).
        loss += Math.max(...logits!.values()) + Math.log(totalLogitWeight!) - logits!.get(ids[i + 1]!)!;
      }
      await context.dispose();
      return loss;
    },
    async close() {
      await model.dispose();
      await llama.dispose();
    },
  };
}
