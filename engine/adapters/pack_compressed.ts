// Packs a compressed set's shared factors and its adapters' cores into the pool runs that kernels read.
// Headers of an adapter's run point into the run of its factors, wherever that lies; shaders/lora/core.wgsl says how.

import { LORA_MODULES, type LoraModuleName } from "../../files/families/modules.ts";
import type { Compressed, SharedFactors, SharedModule } from "../../files/lora/shared_factors.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import type { Run } from "./factors/format.ts";
import { FACTORS } from "./factors/formats.ts";
import { packA, packB } from "./factors/pack.ts";

/** vec4s of headers: one a module and the way to the cores' headers, then one a module for the cores. */
const HEADER_VEC4 = 2 * (LORA_MODULES.length + 1);
const CORES_AT = LORA_MODULES.length + 1;

type SharedLayer = SharedFactors["layers"][number];

/** Bytes of the longest run among the layers. */
export function sharedRunBytes({ layers }: SharedFactors, dtype: AdapterDtype = "f32"): number {
  return Math.max(...layers.map((layer) => 16 * sharedOffsets(layer, dtype).end));
}

/** One layer's factors: V [rank, in], then U [out, whole vec4s] of each module. */
export function packSharedLayer(layer: SharedLayer, dtype: AdapterDtype = "f32"): Run {
  const { of, end } = sharedOffsets(layer, dtype);
  const run = new Float32Array(4 * end);
  for (const [name, { v, u, rank }] of modulesOf(layer)) {
    packA(run, of[name]!.v, { values: v, rank }, FACTORS[dtype]);
    packB(run, of[name]!.u, { values: u, rank }, FACTORS[dtype]);
  }
  return run;
}

/** One layer's run of an adapter, with offsets of factors as they are within their own run (see `relocated`). */
export function packCoreLayer({ shared, cores }: Compressed, layer: number, dtype: AdapterDtype = "f32"): Run {
  const factors = shared.layers[layer];
  const { of } = sharedOffsets(factors, dtype);
  const run = new Float32Array(4 * (HEADER_VEC4 + coreVec4s(cores[layer], factors)));
  run[4 * (CORES_AT - 1)] = CORES_AT;
  let at = HEADER_VEC4;
  for (const [index, name] of LORA_MODULES.entries()) {
    const core = cores[layer][name];
    const module = factors[name];
    if (core === undefined || module === undefined) continue;
    const { rank } = module;
    const rank4 = Math.ceil(rank / 4);
    run.set([of[name]!.v, of[name]!.u, rank, 0], 4 * index);
    const full = core.length === rank * rank;
    run.set([at, full ? 1 : 0], 4 * (CORES_AT + index));
    for (let row = 0; row * rank < core.length; row++) {
      run.set(core.subarray(row * rank, (row + 1) * rank), 4 * (at + row * rank4));
    }
    at += (core.length / rank) * rank4;
  }
  return run;
}

/** A run whose headers point to factors `distance` vec4s from it; negative where they lie before it. */
export function relocated(run: Run, distance: number): Run {
  const moved = run.slice();
  for (let index = 0; index < LORA_MODULES.length; index++) {
    if (run[4 * index + 2] === 0) continue;
    moved[4 * index] += distance;
    moved[4 * index + 1] += distance;
  }
  return moved;
}

function sharedOffsets(
  layer: SharedLayer,
  dtype: AdapterDtype,
): {
  of: Partial<Record<LoraModuleName, { v: number; u: number }>>;
  end: number;
} {
  const of: Partial<Record<LoraModuleName, { v: number; u: number }>> = {};
  const format = FACTORS[dtype];
  let end = 0;
  for (const [name, { v, u, rank }] of modulesOf(layer)) {
    const u4 = end + rank * format.strideA(v.length / rank / 4);
    of[name] = { v: end, u: u4 };
    end = u4 + (u.length / rank / 4) * format.strideB(Math.ceil(rank / 4));
  }
  return { of, end };
}

function coreVec4s(cores: Compressed["cores"][number], factors: SharedLayer): number {
  return Object.entries(cores).reduce((sum, [name, core]) => {
    const { rank } = factors[name as LoraModuleName]!;
    return sum + (core.length / rank) * Math.ceil(rank / 4);
  }, 0);
}

/** In the order of LORA_MODULES. */
function modulesOf(layer: SharedLayer): [LoraModuleName, SharedModule][] {
  return LORA_MODULES.flatMap((name): [LoraModuleName, SharedModule][] => {
    const module = layer[name];
    return module === undefined ? [] : [[name, module]];
  });
}
