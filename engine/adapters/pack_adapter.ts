// Packs an adapter into the pool runs that kernels read: one run a layer, headers first, then A and B of each module.
// It knows nothing of pages; the layout is shaders/lora/lora_gather.wgsl's.

import { LORA_MODULES } from "../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../files/lora/adapter.ts";

/** vec4s of the headers: one a module, and one spare that keeps the matrices at an even offset. */
const HEADER_VEC4 = LORA_MODULES.length + 1;

/** Bytes of the longest run among the adapter's layers. */
export function adapterRunBytes(adapter: Adapter): number {
  return Math.max(...adapter.layers.map((layer) => 16 * runVec4s(Object.values(layer))));
}

/** Largest rank of the adapter, in whole vec4s. */
export function adapterRank4(adapter: Adapter): number {
  return Math.max(...adapter.report.ranks.map((rank) => Math.ceil(rank / 4)));
}

/** The run of one layer: headers (offset A, offset B, rank4, rank), A [rank, in], B [out, rank4 · 4] times the scale. */
export function packAdapterLayer(layer: Adapter["layers"][number]): Float32Array<ArrayBuffer> {
  const run = new Float32Array(4 * runVec4s(Object.values(layer)));
  let at = HEADER_VEC4;
  for (const [index, name] of LORA_MODULES.entries()) {
    const module = layer[name];
    if (module === undefined) continue;
    const rank4 = Math.ceil(module.rank / 4);
    const offsetB = at + module.a.length / 4;
    run.set([at, offsetB, rank4, module.rank], index * 4);
    run.set(module.a, at * 4);
    packB(run, offsetB * 4, rank4 * 4, module);
    at = offsetB + (module.b.length / module.rank) * rank4;
  }
  return run;
}

function packB(run: Float32Array, offset: number, stride: number, { b, rank, scale }: LoraModule): void {
  const rows = b.length / rank;
  for (let row = 0; row < rows; row++) {
    for (let r = 0; r < rank; r++) run[offset + row * stride + r] = scale * b[row * rank + r]!;
  }
}

function runVec4s(modules: readonly LoraModule[]): number {
  return modules.reduce(
    (sum, { a, b, rank }) => sum + a.length / 4 + (b.length / rank) * Math.ceil(rank / 4),
    HEADER_VEC4,
  );
}
