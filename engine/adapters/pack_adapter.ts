// Packs an adapter into the pool runs that kernels read: one run a layer, headers first, then A and B of each module.
// It knows nothing of pages; the layout is shaders/lora/lora_gather.wgsl's.

import { LORA_MODULES } from "../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../files/lora/adapter.ts";
import type { Compressed } from "../../files/lora/compressed_adapter.ts";
import { packCoreLayer } from "./pack_compressed.ts";

type Layer = Adapter["layers"][number];

/** An adapter as the pool takes it, and all that the engine keeps of it in host memory: its factors are in the runs. */
export interface PackedAdapter extends Omit<Adapter, "layers"> {
  /** One a layer. */
  runs: readonly Float32Array<ArrayBuffer>[];
  /** Largest rank, in whole vec4s. */
  rank4: number;
}

/** Packs layer by layer, so that whoever drives it can do other things between two layers. */
export function* packAdapter(adapter: Adapter): Generator<void, PackedAdapter> {
  if (adapter.compressed !== undefined) return packCompressed(adapter, adapter.compressed);
  const { layers, ...rest } = adapter;
  const runs: Float32Array<ArrayBuffer>[] = [];
  for (const layer of layers) {
    runs.push(packAdapterLayer(layer));
    yield;
  }
  return { ...rest, runs, rank4: adapterRank4(adapter) };
}

/** Cores alone: the factors are packed when they are written, once for all adapters that share them. */
function packCompressed({ name, hash, report }: Adapter, compressed: Compressed): PackedAdapter {
  const runs = compressed.cores.map((_, layer) => packCoreLayer(compressed, layer));
  return { name, hash, report, compressed, runs, rank4: Math.max(...report.ranks.map((rank) => Math.ceil(rank / 4))) };
}

/** Bytes of the longest run. */
export function packedRunBytes({ runs }: PackedAdapter): number {
  return Math.max(...runs.map((run) => run.byteLength));
}

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
export function packAdapterLayer(layer: Layer): Float32Array<ArrayBuffer> {
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

/** The modules of a run, with B as it is packed: the scale is in it already. A's are views of the run. */
export function unpackAdapterLayer(run: Float32Array<ArrayBuffer>): Layer {
  const offsets = LORA_MODULES.map((_, index) => run.subarray(index * 4, index * 4 + 4));
  const starts = offsets.flatMap(([offsetA]) => (offsetA === 0 ? [] : [4 * offsetA!]));
  const layer: Layer = {};
  for (const [index, name] of LORA_MODULES.entries()) {
    const [offsetA, offsetB, rank4, rank] = offsets[index]!;
    if (offsetA === 0) continue;
    const end = Math.min(run.length, ...starts.filter((start) => start > 4 * offsetA!));
    const a = run.subarray(4 * offsetA!, 4 * offsetB!);
    layer[name] = { rank: rank!, scale: 1, a, b: unpackB(run.subarray(4 * offsetB!, end), rank4! * 4, rank!) };
  }
  return layer;
}

function unpackB(packed: Float32Array, stride: number, rank: number): Float32Array {
  const b = new Float32Array((packed.length / stride) * rank);
  for (let row = 0; row * stride < packed.length; row++) {
    b.set(packed.subarray(row * stride, row * stride + rank), row * rank);
  }
  return b;
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
