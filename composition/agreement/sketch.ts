// The signs of an adapter's deltas, as bits: what any two adapters of a base are compared by.
// Of a matrix with more than SAMPLES entries as many are drawn, by a seed: the same ones of every adapter.

import { LORA_MODULES, type LoraModuleName } from "../../files/families/modules.ts";
import type { LoraModule } from "../../files/lora/adapter.ts";
import { Random } from "../random.ts";

/** Entries of a matrix that are looked at. Seven matrices a layer: a share of a layer is known to ± 0.6 % (95 %). */
export const SAMPLES = 4096;

/** A bit an entry, in the order of drawing. An entry that is zero has neither. */
export interface SignedModule {
  /** Entries of the whole matrix. */
  size: number;
  /** Entries looked at. */
  samples: number;
  positive: Uint32Array;
  negative: Uint32Array;
}

/** [layer] → the modules that the adapter extends there. */
export type SignSketch = readonly Partial<Record<LoraModuleName, SignedModule>>[];

/** Entries between two yields: some tenths of a millisecond, a few before the code is compiled. */
const PIECE = 512;

/** `layerOf(i)`: the adapter's modules of layer i. Others have their turn between pieces of a matrix. */
export function* signSketch(
  layers: number,
  layerOf: (layer: number) => Partial<Record<LoraModuleName, LoraModule>>,
): Generator<void, SignSketch> {
  const sketch: Partial<Record<LoraModuleName, SignedModule>>[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const signed: Partial<Record<LoraModuleName, SignedModule>> = {};
    for (const [name, lora] of Object.entries(layerOf(layer)) as [LoraModuleName, LoraModule][]) {
      if (lora.rank > 0) signed[name] = yield* signsOf(lora, LORA_MODULES.indexOf(name));
    }
    sketch.push(signed);
  }
  return sketch;
}

/** Signs of scale · B · A, entry by entry at O(rank) each; nothing of the matrix's size is made. */
function* signsOf({ rank, scale, a, b }: LoraModule, seed: number): Generator<void, SignedModule> {
  const [rows, cols] = [b.length / rank, a.length / rank];
  const size = rows * cols;
  const samples = Math.min(size, SAMPLES);
  const random = new Random(seed, 0x516e);
  const words = Math.ceil(samples / 32);
  const [positive, negative] = [new Uint32Array(words), new Uint32Array(words)];
  for (let i = 0; i < samples; i++) {
    const at = size <= SAMPLES ? i : Math.floor(random.next() * size);
    const row = Math.floor(at / cols);
    const col = at - row * cols;
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[row * rank + r] * a[r * cols + col];
    const value = sum * scale;
    if (value > 0) positive[i >>> 5] |= 1 << (i & 31);
    else if (value < 0) negative[i >>> 5] |= 1 << (i & 31);
    if ((i + 1) % PIECE === 0) yield;
  }
  return { size, samples, positive, negative };
}
