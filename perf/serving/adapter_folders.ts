// PEFT folders of mixed ranks by the thousand, from a seed: random factors of about the size that training leaves.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelConfig } from "../../files/families/config.ts";
import { type LoraModuleName, moduleShape } from "../../files/families/modules.ts";
import type { LoraModule } from "../../files/lora/adapter.ts";
import { writePeftAdapter } from "../../files/lora/peft_write.ts";
import { Random } from "./random.ts";

/** Ranks, and how many in a hundred have each: most adapters are small. */
const RANKS: readonly [rank: number, share: number][] = [
  [4, 30],
  [8, 30],
  [16, 20],
  [32, 15],
  [64, 5],
];
const SCALE = 1;
/** Standard deviation of B's elements. A's are those of a fresh A: uniform, of variance 1 / (3 · in). */
const B_SIZE = 0.01;

export interface Folders {
  directory: string;
  count: number;
  modules: readonly LoraModuleName[];
  config: ModelConfig;
}

export const folderName = (index: number) => `tenant-${String(index).padStart(4, "0")}`;

export function rankOf(index: number): number {
  let left = new Random(7919 * (index + 1)).uniform() * 100;
  for (const [rank, share] of RANKS) {
    left -= share;
    if (left < 0) return rank;
  }
  return RANKS[0][0];
}

/** Writes what is not there yet. Names in the order of their numbers. */
export function makeFolders({ directory, count, modules, config }: Folders): string[] {
  const names = Array.from({ length: count }, (_, i) => folderName(i));
  for (const [index, name] of names.entries()) {
    const folder = join(directory, name);
    if (existsSync(join(folder, "adapter_config.json"))) continue;
    mkdirSync(folder, { recursive: true });
    const files = writePeftAdapter({ layers: layersOf(index, modules, config) }, config, { type: "f16" });
    writeFileSync(join(folder, "adapter_model.safetensors"), files.safetensors);
    // The last, so that a folder that has it is whole.
    writeFileSync(join(folder, "adapter_config.json"), files.config);
  }
  return names;
}

/** Numbers of which each factor takes some from a place of its own on: thousands of adapters are made as fast as they are written. */
const NUMBERS = 2 ** 20;
let uniforms: Float32Array<ArrayBuffer> | undefined;

function layersOf(index: number, modules: readonly LoraModuleName[], config: ModelConfig) {
  const random = new Random(index);
  const rank = rankOf(index);
  return Array.from({ length: config.numLayers }, () =>
    Object.fromEntries(
      modules.map((name): [string, LoraModule] => {
        const [out, inp] = moduleShape(config, name);
        const a = uniform(random, rank * inp, 1 / Math.sqrt(inp));
        const b = uniform(random, out * rank, B_SIZE * Math.sqrt(3));
        return [name, { rank, scale: SCALE, a, b }];
      }),
    ),
  );
}

function uniform(random: Random, count: number, bound: number): Float32Array<ArrayBuffer> {
  const made = new Random(1);
  uniforms ??= Float32Array.from({ length: NUMBERS }, () => 2 * made.uniform() - 1);
  const first = random.integer([0, NUMBERS - 1]);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = bound * uniforms[(first + i) % NUMBERS];
  return values;
}
