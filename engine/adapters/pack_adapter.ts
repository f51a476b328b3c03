// Packs an adapter into the pool runs that kernels read: one run a layer, headers first, then A and B of each module.
// It knows nothing of pages; the layout is shaders/lora/lora_gather.wgsl's.

import { LORA_MODULES } from "../../files/families/modules.ts";
import type { Adapter, LoraModule, RowChange } from "../../files/lora/adapter.ts";
import type { ExpertLayer } from "../../files/lora/expert_layer.ts";
import type { Compressed } from "../../files/lora/shared_factors.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { packCoreLayer } from "./pack_compressed.ts";
import { expertVec4s, packExperts } from "./pack_experts.ts";
import { packB } from "./pack_factor.ts";

type Layer = Adapter["layers"][number];

/** An adapter as the pool takes it, and all that the engine keeps of it in host memory: its factors are in the runs. */
export interface PackedAdapter extends Omit<Adapter, "layers" | "experts"> {
  /** One a layer. */
  runs: readonly Float32Array<ArrayBuffer>[];
  /** Largest rank, in whole vec4s. */
  rank4: number;
  /** Whether its runs have parts of the base's own experts. */
  experts: boolean;
  /** Bytes of its own embedding and head on the device, once they are there. */
  tableBytes?: number;
  /** What spells its ids where it has a vocabulary, and a tokenizer, of its own. */
  tokenizer?: Tokenizer;
}

/** Packs layer by layer, so that whoever drives it can do other things between two layers. */
export function* packAdapter(adapter: Adapter): Generator<void, PackedAdapter> {
  if (adapter.compressed !== undefined) return packCompressed(adapter, adapter.compressed);
  const { layers, experts, ...rest } = adapter;
  const runs: Float32Array<ArrayBuffer>[] = [];
  for (const [i, layer] of layers.entries()) {
    runs.push(packAdapterLayer(layer, experts?.[i]));
    yield;
  }
  return { ...rest, runs, rank4: adapterRank4(adapter), experts: experts !== undefined };
}

/** Cores alone: the factors are packed when they are written, once for all adapters that share them. */
function packCompressed({ name, hash, report }: Adapter, compressed: Compressed): PackedAdapter {
  const runs = compressed.cores.map((_, layer) => packCoreLayer(compressed, layer));
  return {
    name,
    hash,
    report,
    compressed,
    runs,
    experts: false,
    rank4: Math.max(...report.ranks.map((rank) => Math.ceil(rank / 4))),
  };
}

/** Bytes of the longest run. */
export function packedRunBytes({ runs }: PackedAdapter): number {
  return Math.max(...runs.map((run) => run.byteLength));
}

/** vec4s of the headers: one a module, and one that says where others are. */
const HEADER_VEC4 = LORA_MODULES.length + 1;

/** Bytes of the longest run among the adapter's layers. */
export function adapterRunBytes(adapter: Adapter): number {
  return Math.max(...adapter.layers.map((layer, i) => 16 * runVec4s(Object.values(layer), adapter.experts?.[i])));
}

/** Largest rank of the adapter, in whole vec4s. */
export function adapterRank4(adapter: Adapter): number {
  return Math.max(0, ...adapter.report.ranks.map((rank) => Math.ceil(rank / 4)));
}

/**
 * The run of one layer: headers (offset of A, offset of B, rank, offset of changed rows or 0); what it adds to the base's
 * experts (pack_experts.ts); A [rank, in], B [out, whole vec4s] times the scale; where rows are changed, gain and shift of
 * four rows each, by turns.
 */
export function packAdapterLayer(layer: Layer, experts?: ExpertLayer): Float32Array<ArrayBuffer> {
  const run = new Float32Array(4 * runVec4s(Object.values(layer), experts));
  let at = HEADER_VEC4;
  if (experts !== undefined) at = packExperts(run, at, experts);
  for (const [index, name] of LORA_MODULES.entries()) {
    const module = layer[name];
    if (module === undefined) continue;
    if (module.unsettled !== undefined) throw new MoloraError("internal", `${name} was not settled with its base`);
    const offsetB = at + module.a.length / 4;
    const end = at + moduleVec4s(module) - changedVec4s(module);
    run.set([at, offsetB, module.rank, module.rows === undefined ? 0 : end], index * 4);
    run.set(module.a, at * 4);
    packB(run, offsetB * 4, module);
    if (module.rows !== undefined) packRows(run, end * 4, module.rows);
    at += moduleVec4s(module);
  }
  return run;
}

/** The modules of a run, with B as it is packed: the scale is in it already. A's are views of the run. */
export function unpackAdapterLayer(run: Float32Array<ArrayBuffer>): Layer {
  const headers = LORA_MODULES.map((_, index) => run.subarray(index * 4, index * 4 + 4));
  const starts = headers.flatMap(([offsetA]) => (offsetA === 0 ? [] : [4 * offsetA!]));
  const layer: Layer = {};
  for (const [index, name] of LORA_MODULES.entries()) {
    const [offsetA, offsetB, rank, offsetRows] = headers[index]!;
    if (offsetA === 0) continue;
    const end = Math.min(run.length, ...starts.filter((start) => start > 4 * offsetA!));
    const a = run.subarray(4 * offsetA!, 4 * offsetB!);
    const b = unpackB(run.subarray(4 * offsetB!, offsetRows === 0 ? end : 4 * offsetRows!), rank!);
    const rows = offsetRows === 0 ? {} : { rows: unpackRows(run.subarray(4 * offsetRows!, end)) };
    layer[name] = { rank: rank!, scale: 1, a, b, ...rows };
  }
  return layer;
}

function unpackB(packed: Float32Array, rank: number): Float32Array {
  if (rank === 0) return packed;
  const stride = 4 * Math.ceil(rank / 4);
  const b = new Float32Array((packed.length / stride) * rank);
  for (let row = 0; row * stride < packed.length; row++) {
    b.set(packed.subarray(row * stride, row * stride + rank), row * rank);
  }
  return b;
}

function unpackRows(packed: Float32Array): RowChange {
  const [gain, shift] = [new Float32Array(packed.length / 2), new Float32Array(packed.length / 2)];
  for (let row = 0; row < gain.length; row += 4) {
    gain.set(packed.subarray(2 * row, 2 * row + 4), row);
    shift.set(packed.subarray(2 * row + 4, 2 * row + 8), row);
  }
  return { gain, shift };
}

function packRows(run: Float32Array, offset: number, { gain, shift }: RowChange): void {
  for (let row = 0; row < gain.length; row += 4) {
    run.set(gain.subarray(row, row + 4), offset + 2 * row);
    run.set(shift.subarray(row, row + 4), offset + 2 * row + 4);
  }
}

function runVec4s(modules: readonly LoraModule[], experts: ExpertLayer | undefined): number {
  const first = HEADER_VEC4 + (experts === undefined ? 0 : expertVec4s(experts));
  return modules.reduce((sum, module) => sum + moduleVec4s(module), first);
}

function moduleVec4s(module: LoraModule): number {
  const { a, b, rank } = module;
  const pair = rank === 0 ? 0 : a.length / 4 + (b.length / rank) * Math.ceil(rank / 4);
  return pair + changedVec4s(module);
}

/** Before it is settled, an adapter is as large as behind. */
function changedVec4s({ rows, unsettled = {} }: LoraModule): number {
  const { magnitude, bias, newBias } = unsettled;
  return ((rows?.gain ?? magnitude ?? bias ?? newBias)?.length ?? 0) / 2;
}
