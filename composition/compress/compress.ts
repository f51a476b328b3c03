// Compresses many adapters of one base: clusters of them share two factors a matrix, and each keeps a core.

import type { LoraModuleName } from "../../files/families/modules.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import type { Compressed, SharedFactors } from "../../files/lora/compressed_adapter.ts";
import { squaredNorm } from "../linear/factored.ts";
import { type Matrix, matrixOf, transpose } from "../linear/matrix.ts";
import { assignClusters } from "./clusters.ts";
import { coreOf, jointBases, squaredError } from "./joint.ts";
import { type Slot, slotsOf } from "./slots.ts";

export interface CompressOptions {
  /** Columns of the shared factors; less where a cluster's adapters together have a lower rank. */
  rank: number;
  /** How many pairs of factors there are at most. Default 1. */
  clusters?: number;
  /** Alternations of the decomposition. Default 10. */
  iterations?: number;
  onProgress?: (done: number, total: number) => void;
}

export interface CompressedAdapters {
  /** Of each cluster. */
  factors: SharedFactors["layers"][];
  /** In the order of the adapters. */
  members: { cluster: number; cores: Compressed["cores"]; error: number }[];
}

/**
 * Joint diagonalisation within each cluster (joint.ts), which compresses well what is alike: adapters whose subspaces have
 * nothing in common lose most of what they do where `rank` is below the sum of their ranks. `error` of a member is
 * ‖Δ − U·core·Vᵀ‖ / ‖Δ‖ over all its matrices.
 *
 * @throws RangeError for no adapters
 */
export function compressAdapters(
  adapters: readonly Pick<Adapter, "layers">[],
  { rank, clusters = 1, iterations, onProgress }: CompressOptions,
): CompressedAdapters {
  if (adapters.length === 0) throw new RangeError("no adapters to compress");
  const slots = slotsOf(adapters);
  const assigned = assignClusters(slots, adapters.length, { rank, clusters });
  const count = 1 + Math.max(...assigned);
  const made = empty(adapters, assigned, count);
  let done = 0;
  for (const { layer, module, deltas } of slots) {
    for (let cluster = 0; cluster < count; cluster++) {
      const members = deltas.flatMap((delta, i) => (delta !== undefined && assigned[i] === cluster ? [i] : []));
      if (members.length === 0) continue;
      const own = members.map((i) => deltas[i]!);
      const { u, v, cores } = jointBases(own, { rank, ...(iterations !== undefined && { iterations }) });
      made.factors[cluster][layer][module] = { rank: u.cols, u: floats(u), v: floats(transpose(v)) };
      for (const [n, i] of members.entries()) made.members[i].cores[layer][module] = floats(cores[n]);
    }
    onProgress?.(++done, slots.length);
  }
  return withErrors(made, slots);
}

/** Cores of adapters for factors that stay as they are; each goes to the cluster that keeps most of it. */
export function projectAdapters(
  adapters: readonly Pick<Adapter, "layers">[],
  factors: readonly SharedFactors["layers"][],
): CompressedAdapters {
  const slots = slotsOf(adapters);
  const bases = factors.map((layers) => layers.map((layer) => basesOf(layer)));
  const errors = factors.map(() => new Float64Array(adapters.length));
  const cores = factors.map(() => adapters.map(({ layers }) => layers.map((): Compressed["cores"][number] => ({}))));
  for (const { layer, module, deltas } of slots) {
    for (const [i, delta] of deltas.entries()) {
      if (delta === undefined) continue;
      for (const [c, cluster] of bases.entries()) {
        const basis = cluster[layer][module];
        const core = basis && coreOf(delta, basis.u, basis.v);
        errors[c][i] += core === undefined ? squaredNorm(delta) : squaredError(squaredNorm(delta), core);
        if (core !== undefined) cores[c][i][layer][module] = floats(core);
      }
    }
  }
  const members = adapters.map((_, i) => {
    const cluster = errors.reduce((best, own, c) => (own[i] < errors[best][i] ? c : best), 0);
    return { cluster, cores: cores[cluster][i], error: 0 };
  });
  return withErrors({ factors: [...factors], members }, slots);
}

function empty(
  adapters: readonly Pick<Adapter, "layers">[],
  assigned: readonly number[],
  count: number,
): CompressedAdapters {
  const layers = adapters[0].layers;
  return {
    factors: Array.from({ length: count }, () => layers.map(() => ({}))),
    members: assigned.map((cluster) => ({ cluster, cores: layers.map(() => ({})), error: 0 })),
  };
}

/** Errors follow from the cores: what orthonormal bases keep of a matrix has the norm of its core. */
function withErrors({ factors, members }: CompressedAdapters, slots: readonly Slot[]): CompressedAdapters {
  const lost = new Float64Array(members.length);
  const all = new Float64Array(members.length);
  for (const { layer, module, deltas } of slots) {
    for (const [i, delta] of deltas.entries()) {
      if (delta === undefined) continue;
      const squared = squaredNorm(delta);
      all[i] += squared;
      const core = members[i].cores[layer][module];
      lost[i] += core === undefined ? squared : squaredError(squared, matrixOf(1, core.length, core));
    }
  }
  const errors = members.map((member, i) => ({ ...member, error: all[i] === 0 ? 0 : Math.sqrt(lost[i] / all[i]) }));
  return { factors, members: errors };
}

function basesOf(layer: SharedFactors["layers"][number]): Partial<Record<LoraModuleName, { u: Matrix; v: Matrix }>> {
  return Object.fromEntries(
    Object.entries(layer).map(([name, { rank, u, v }]) => [
      name,
      { u: matrixOf(u.length / rank, rank, u), v: transpose(matrixOf(rank, v.length / rank, v)) },
    ]),
  );
}

function floats({ data }: Matrix): Float32Array {
  return Float32Array.from(data);
}
