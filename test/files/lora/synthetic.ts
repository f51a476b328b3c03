// Small adapters made from numbers, folders held in memory, and the folders of real ones.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelConfig } from "../../../files/families/config.ts";
import { type LoraModuleName, moduleShape } from "../../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../../files/lora/adapter.ts";
import { parseHfConfig } from "../../../files/model_files/hf_config.ts";
import { type ByteSource, MemorySource, type SourceFolder } from "../../../files/source.ts";

/** A base of two layers whose modules all have different shapes. */
export const SMALL: ModelConfig = {
  architecture: "LlamaForCausalLM",
  hiddenSize: 8,
  numLayers: 2,
  numHeads: 3,
  numKvHeads: 1,
  headDim: 4,
  intermediateSize: 20,
  vocabSize: 50,
  contextLength: 64,
  normEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { type: "none" },
  tieEmbeddings: true,
  bosId: 0,
  eosIds: [0],
};

export class MemoryFolder implements SourceFolder {
  readonly name = "folder";
  readonly files: Map<string, Uint8Array>;

  constructor(files: Record<string, Uint8Array | string>) {
    const encode = (file: Uint8Array | string) => (typeof file === "string" ? new TextEncoder().encode(file) : file);
    this.files = new Map(Object.entries(files).map(([name, file]) => [name, encode(file)]));
  }

  async open(path: string): Promise<ByteSource | undefined> {
    const bytes = this.files.get(path);
    return bytes && new MemorySource(path, bytes);
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()];
  }
}

/** Values that f16 and bf16 both hold exactly, none of them zero, different from place to place. */
export function values(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (((i * 7 + seed * 13) % 31) - 15.5) / 16);
}

export function loraModule(module: LoraModuleName, rank: number, scale: number, config = SMALL): LoraModule {
  const [out, inp] = moduleShape(config, module);
  return { rank, scale, a: values(rank * inp, rank), b: values(out * rank, rank + 1) };
}

/** An adapter that never was a file; its hash is made up from its name and `version`. */
export function adapterOf(name: string, layers: Adapter["layers"], version = 1): Adapter {
  const hash = `${name}-${version}`;
  return { name, hash, layers, report: { name, hash, matched: [], unmatched: [], ranks: [], scales: [], bytes: 0 } };
}

/** A folder of the repository or beside it, or undefined: these tests then say so and are skipped. */
export function realFolder(...candidates: string[]): string | undefined {
  return candidates.map((path) => join(process.cwd(), path)).find((path) => existsSync(path));
}

export function configOf(folder: string): ModelConfig {
  return parseHfConfig(JSON.parse(readFileSync(join(folder, "config.json"), "utf8")));
}
