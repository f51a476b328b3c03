// Compresses many adapters of one base: clusters of them share two factors a matrix, and each keeps a core.

import type { LoraModuleName } from "../../files/families/modules.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import type { Compressed, SharedFactors } from "../../files/lora/shared_factors.ts";
import { type Factored, squaredNorm } from "../linear/factored.ts";
import { type Matrix, matrixOf, transpose } from "../linear/matrix.ts";
import { assignClusters } from "./clusters.ts";
import { coreOf, jointBases, squaredError } from "./joint.ts";
import { slotsOf } from "./slots.ts";

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
  adapters: readonly Pick<Adapter, "name" | "layers" | "experts">[],
  { rank, clusters = 1, iterations, onProgress }: CompressOptions,
): CompressedAdapters {
  if (adapters.length === 0) throw new RangeError("no adapters to compress");
  const slots = slotsOf(adapters);
  const assigned = assignClusters(slots, adapters.length, { rank, clusters });
  const count = 1 + Math.max(...assigned);
  const made = empty(adapters, assigned, count);
  const losses = new Losses(adapters.length);
  let done = 0;
  for (const { layer, module, deltas } of slots) {
    for (let cluster = 0; cluster < count; cluster++) {
      const members = deltas.flatMap((delta, i) => (delta !== undefined && assigned[i] === cluster ? [i] : []));
      if (members.length === 0) continue;
      const own = members.map((i) => deltas[i]!);
      const { u, v, cores } = jointBases(own, { rank, ...(iterations !== undefined && { iterations }) });
      made.factors[cluster][layer][module] = { rank: u.cols, u: floats(u), v: floats(transpose(v)) };
      for (const [n, i] of members.entries()) {
        made.members[i].cores[layer][module] = floats(cores[n]);
        losses.add(i, own[n], cores[n]);
      }
    }
    onProgress?.(++done, slots.length);
  }
  return { ...made, members: made.members.map((member, i) => ({ ...member, error: losses.of(i) })) };
}

/** Cores of adapters for factors that stay as they are; each goes to the cluster that keeps most of it. */
export function projectAdapters(
  adapters: readonly Pick<Adapter, "name" | "layers" | "experts">[],
  factors: readonly SharedFactors["layers"][],
): CompressedAdapters {
  const slots = slotsOf(adapters);
  const bases = factors.map((layers) => layers.map((layer) => basesOf(layer)));
  const losses = factors.map(() => new Losses(adapters.length));
  const cores = factors.map(() => adapters.map(({ layers }) => layers.map((): Compressed["cores"][number] => ({}))));
  for (const { layer, module, deltas } of slots) {
    for (const [i, delta] of deltas.entries()) {
      if (delta === undefined) continue;
      for (const [c, cluster] of bases.entries()) {
        const basis = cluster[layer][module];
        const core = basis && coreOf(delta, basis.u, basis.v);
        losses[c].add(i, delta, core);
        if (core !== undefined) cores[c][i][layer][module] = floats(core);
      }
    }
  }
  const members = adapters.map((_, i) => {
    const cluster = losses.reduce((best, own, c) => (own.of(i) < losses[best].of(i) ? c : best), 0);
    return { cluster, cores: cores[cluster][i], error: losses[cluster].of(i) };
  });
  return { factors: [...factors], members };
}

function empty(
  adapters: readonly Pick<Adapter, "name" | "layers" | "experts">[],
  assigned: readonly number[],
  count: number,
): CompressedAdapters {
  const layers = adapters[0].layers;
  return {
    factors: Array.from({ length: count }, () => layers.map(() => ({}))),
    members: assigned.map((cluster) => ({ cluster, cores: layers.map(() => ({})), error: 0 })),
  };
}

/** What of each adapter is lost, and of how much, as sums of squares. */
class Losses {
  readonly #lost: Float64Array;
  readonly #all: Float64Array;

  constructor(adapters: number) {
    this.#lost = new Float64Array(adapters);
    this.#all = new Float64Array(adapters);
  }

  /** What orthonormal bases keep of a matrix has the norm of its core; without one all of it is lost. */
  add(adapter: number, delta: Factored, core: Matrix | undefined): void {
    const squared = squaredNorm(delta);
    this.#all[adapter] += squared;
    this.#lost[adapter] += core === undefined ? squared : squaredError(squared, core);
  }

  of(adapter: number): number {
    return this.#all[adapter] === 0 ? 0 : Math.sqrt(this.#lost[adapter] / this.#all[adapter]);
  }
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
