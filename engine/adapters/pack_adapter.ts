// Packs an adapter into the pool runs that kernels read: one run a layer, headers first, then A and B of each module.
// It knows nothing of pages; the layout is shaders/lora/lora_gather.wgsl's.

import { LORA_MODULES, type LoraModuleName } from "../../files/families/modules.ts";
import type { Adapter, ExpertLayer, LoraModule, RowChange } from "../../files/lora/adapter.ts";
import { expandedLayer } from "../../files/lora/compressed_adapter.ts";
import type { Compressed } from "../../files/lora/shared_factors.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { FactorFormat, Run } from "./factors/format.ts";
import { FACTORS } from "./factors/formats.ts";
import { packA, packB, unpackA, unpackB } from "./factors/pack.ts";
import { packCoreLayer } from "./pack_compressed.ts";
import { expertVec4s, packExperts } from "./pack_experts.ts";

type Layer = Adapter["layers"][number];

type Columns = Partial<Record<LoraModuleName, number>>;

/** An adapter as the pool takes it, and all that the engine keeps of it in host memory: its factors are in the runs. */
export interface PackedAdapter extends Omit<Adapter, "layers" | "experts"> {
  /** One a layer. */
  runs: readonly Run[];
  /** What factors are held in. */
  dtype: AdapterDtype;
  /** Columns of each module's A, the same in every layer that has it. */
  columns: Columns;
  /** Largest rank, in whole vec4s. */
  rank4: number;
  /** Whether its runs have parts of the base's own experts. */
  experts: boolean;
  /** Bytes of its own embedding and head on the device, once they are there. */
  tableBytes?: number;
  /** What spells its ids where it has a vocabulary, and a tokenizer, of its own. */
  tokenizer?: Tokenizer;
}

/** What unpacking needs. */
export type PackedFactors = Pick<PackedAdapter, "runs" | "dtype" | "columns">;

/** Packs layer by layer, so that whoever drives it can do other things between two layers. */
export function* packAdapter(adapter: Adapter, dtype: AdapterDtype = "f32"): Generator<void, PackedAdapter> {
  if (adapter.compressed !== undefined) return packCompressed(adapter, adapter.compressed, dtype);
  const { layers, experts, ...rest } = adapter;
  const runs: Run[] = [];
  for (const [i, layer] of layers.entries()) {
    if (dtype === "f16") checkHalves(adapter.name, layer);
    runs.push(packAdapterLayer(layer, dtype, experts?.[i]));
    yield;
  }
  const held = { runs, dtype, columns: columnsOf(layers) };
  return { ...rest, ...held, rank4: adapterRank4(adapter), experts: experts !== undefined };
}

function columnsOf(layers: readonly Layer[]): Columns {
  const modules = layers.flatMap((layer) => Object.entries(layer) as [LoraModuleName, LoraModule][]);
  return Object.fromEntries(modules.flatMap(([name, { a, rank }]) => (rank === 0 ? [] : [[name, a.length / rank]])));
}

/** @throws MoloraError `adapter_unsupported` for a value that would become infinite */
function checkHalves(name: string, layer: Record<string, Pick<LoraModule, "a" | "b" | "scale">>): void {
  for (const [module, { a, b, scale }] of Object.entries(layer)) {
    const most = Math.max(largest(a), Math.abs(scale) * largest(b));
    if (most < BEYOND_HALVES) continue;
    throw new MoloraError("adapter_unsupported", `adapter "${name}" has ${most} in ${module}, which f16 cannot hold`, {
      remedy: "Hold adapters as f32 or q8_0 (adapterDtype, --adapter-dtype).",
    });
  }
}

/** What rounds to infinity. */
const BEYOND_HALVES = 65520;

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Cores alone: the factors are packed when they are written, once for all adapters that share them. */
function packCompressed({ name, hash, report }: Adapter, compressed: Compressed, dtype: AdapterDtype): PackedAdapter {
  for (const layer of dtype === "f16" ? compressed.shared.layers : []) {
    const factors = Object.entries(layer).map(([module, { v, u }]) => [module, { a: v, b: u, scale: 1 }] as const);
    checkHalves(name, Object.fromEntries(factors));
  }
  const runs = compressed.cores.map((_, layer) => packCoreLayer(compressed, layer, dtype));
  return {
    name,
    hash,
    report,
    compressed,
    runs,
    dtype,
    columns: {},
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

/** Bytes of the longest run among the adapter's layers, with factors held as f32. */
export function adapterRunBytes(adapter: Adapter): number {
  return Math.max(
    ...adapter.layers.map((layer, i) => 16 * runVec4s(Object.values(layer), FACTORS.f32, adapter.experts?.[i])),
  );
}

/** Largest rank of the adapter, in whole vec4s. */
export function adapterRank4(adapter: Adapter): number {
  return Math.max(0, ...adapter.report.ranks.map((rank) => Math.ceil(rank / 4)));
}

/**
 * The run of one layer: headers (offset of A, offset of B, rank, offset of changed rows or 0); what it adds to the base's
 * experts (pack_experts.ts); A [rank, in], B [out, whole vec4s] times the scale, as `dtype` holds them; where rows are
 * changed, gain and shift of four rows each, by turns.
 */
export function packAdapterLayer(layer: Layer, dtype: AdapterDtype = "f32", experts?: ExpertLayer): Run {
  const format = FACTORS[dtype];
  const run = new Float32Array(4 * runVec4s(Object.values(layer), format, experts));
  let at = experts === undefined ? HEADER_VEC4 : packExperts(run, HEADER_VEC4, experts);
  for (const [index, name] of LORA_MODULES.entries()) {
    const module = layer[name];
    if (module === undefined) continue;
    if (module.unsettled !== undefined) throw new MoloraError("internal", `${name} was not settled with its base`);
    const { a, b, rank, scale } = module;
    const offsetB = at + vec4sOfA(module, format);
    const end = offsetB + vec4sOfB(module, format);
    run.set([at, offsetB, rank, module.rows === undefined ? 0 : end], index * 4);
    if (rank > 0) {
      packA(run, at, { values: a, rank }, format);
      packB(run, offsetB, { values: b, rank, scale }, format);
    }
    if (module.rows !== undefined) packRows(run, end * 4, module.rows);
    at = end + changedVec4s(module);
  }
  return run;
}

/** The modules of an adapter's layer, B with its scale in it; a compressed one is multiplied out. */
export function layerFactors(adapter: PackedAdapter, index: number): Layer {
  const { compressed } = adapter;
  return compressed === undefined ? unpackAdapterLayer(adapter, index) : expandedLayer(compressed, index);
}

/** The modules of an adapter's layer, with B as it is packed: the scale is in it already. */
export function unpackAdapterLayer({ runs, dtype, columns }: PackedFactors, index: number): Layer {
  const run = runs[index]!;
  const format = FACTORS[dtype];
  const headers = LORA_MODULES.map((_, index) => run.subarray(index * 4, index * 4 + 4));
  const starts = headers.flatMap(([offsetA]) => (offsetA === 0 ? [] : [offsetA!]));
  const layer: Layer = {};
  for (const [module, name] of LORA_MODULES.entries()) {
    const [offsetA, offsetB, rank, offsetRows] = headers[module]!;
    if (offsetA === 0) continue;
    const end = Math.min(run.length / 4, ...starts.filter((start) => start > offsetA!));
    const a = unpackA(run, offsetA!, rank!, columns[name] ?? 0, format);
    const b = unpackB(run, [offsetB!, offsetRows === 0 ? end : offsetRows!], rank!, format);
    const rows = offsetRows === 0 ? {} : { rows: unpackRows(run.subarray(4 * offsetRows!, 4 * end)) };
    layer[name] = { rank: rank!, scale: 1, a, b, ...rows };
  }
  return layer;
}

function unpackRows(packed: Float32Array): RowChange {
  const [gain, shift] = [new Float32Array(packed.length / 2), new Float32Array(packed.length / 2)];
  for (let row = 0; row < gain.length; row += 4) {
    gain.set(packed.subarray(2 * row, 2 * row + 4), row);
    shift.set(packed.subarray(2 * row + 4, 2 * row + 8), row);
  }
  return { gain, shift };
}

function packRows(run: Run, offset: number, { gain, shift }: RowChange): void {
  for (let row = 0; row < gain.length; row += 4) {
    run.set(gain.subarray(row, row + 4), offset + 2 * row);
    run.set(shift.subarray(row, row + 4), offset + 2 * row + 4);
  }
}

function runVec4s(modules: readonly LoraModule[], format: FactorFormat, experts?: ExpertLayer): number {
  const first = HEADER_VEC4 + (experts === undefined ? 0 : expertVec4s(experts));
  return modules.reduce((sum, module) => {
    return sum + vec4sOfA(module, format) + vec4sOfB(module, format) + changedVec4s(module);
  }, first);
}

function vec4sOfA({ a, rank }: LoraModule, format: FactorFormat): number {
  return rank === 0 ? 0 : rank * format.strideA(a.length / rank / 4);
}

function vec4sOfB({ b, rank }: LoraModule, format: FactorFormat): number {
  return rank === 0 ? 0 : (b.length / rank / 4) * format.strideB(Math.ceil(rank / 4));
}

/** Before it is settled, an adapter is as large as behind. */
function changedVec4s({ rows, unsettled = {} }: LoraModule): number {
  const { magnitude, bias, newBias } = unsettled;
  return ((rows?.gain ?? magnitude ?? bias ?? newBias)?.length ?? 0) / 2;
}
