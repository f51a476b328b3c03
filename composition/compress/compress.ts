// Compresses many adapters of one base: clusters of them share two factors a matrix, and each keeps a core.

import type { LoraModuleName } from "../../files/families/modules.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import type { Compressed, SharedFactors } from "../../files/lora/shared_factors.ts";
import { type Factored, squaredNorm } from "../linear/factored.ts";
import { dot, type Matrix, matrixOf, transpose } from "../linear/matrix.ts";
import { assignClusters } from "./clusters.ts";
import { diagonalFor, diagonalised } from "./diagonal.ts";
import { coreOf, type Joint, jointBases } from "./joint.ts";
import { slotsOf } from "./slots.ts";

export type CoreKind = "full" | "diagonal";

export interface CompressOptions {
  /** Columns of the shared factors; less where a cluster's adapters together have a lower rank. */
  rank: number;
  /** How many pairs of factors there are at most. Default 1. */
  clusters?: number;
  /** A square matrix an adapter and place (default), or its diagonal alone: less to store and to read, and less kept. */
  core?: CoreKind;
  /** Most alternations of the decomposition. Default 10. */
  iterations?: number;
  onProgress?: (done: number, total: number) => void;
}

export interface CompressedAdapters {
  core: CoreKind;
  /** Of each cluster. */
  factors: SharedFactors["layers"][];
  /** In the order of the adapters. */
  members: { cluster: number; cores: Compressed["cores"]; error: number }[];
}

/**
 * Joint diagonalisation within each cluster (joint.ts), which compresses well what is alike: adapters whose subspaces have
 * nothing in common lose most of what they do where `rank` is below the sum of their ranks. `error` of a member is
 * ‖Δ − U·core·Vᵀ‖ / ‖Δ‖ over all its matrices. With diagonal cores the bases turn to what these hold most of (diagonal.ts).
 *
 * @throws RangeError for no adapters
 */
export function compressAdapters(
  adapters: readonly Pick<Adapter, "name" | "layers" | "experts">[],
  { rank, clusters = 1, core = "full", iterations, onProgress }: CompressOptions,
): CompressedAdapters {
  if (adapters.length === 0) throw new RangeError("no adapters to compress");
  const slots = slotsOf(adapters);
  const assigned = assignClusters(slots, adapters.length, { rank, clusters });
  const count = 1 + Math.max(...assigned);
  const made = empty(adapters, core, assigned, count);
  const losses = new Losses(adapters.length);
  let done = 0;
  for (const { layer, module, deltas } of slots) {
    for (let cluster = 0; cluster < count; cluster++) {
      const members = deltas.flatMap((delta, i) => (delta !== undefined && assigned[i] === cluster ? [i] : []));
      if (members.length === 0) continue;
      const own = members.map((i) => deltas[i]!);
      const joint = jointBases(own, { rank, ...(iterations !== undefined && { iterations }) });
      const { u, v, cores } = core === "full" ? { ...joint, cores: joint.cores.map(ofFull) } : ofDiagonals(joint);
      made.factors[cluster][layer][module] = { rank: u.cols, u: floats(u), v: floats(transpose(v)) };
      for (const [n, i] of members.entries()) {
        made.members[i].cores[layer][module] = Float32Array.from(cores[n].values);
        losses.add(i, squaredNorm(own[n]), cores[n].kept);
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
  kind: CoreKind,
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
        const core = basis && project(delta, basis, kind);
        losses[c].add(i, squaredNorm(delta), core?.kept ?? 0);
        if (core !== undefined) cores[c][i][layer][module] = Float32Array.from(core.values);
      }
    }
  }
  const members = adapters.map((_, i) => {
    const cluster = losses.reduce((best, own, c) => (own.of(i) < losses[best].of(i) ? c : best), 0);
    return { cluster, cores: cores[cluster][i], error: losses[cluster].of(i) };
  });
  return { core: kind, factors: [...factors], members };
}

/** A core's numbers, and the squared norm of what it stands for. */
interface Core {
  values: Float64Array;
  kept: number;
}

/** Between orthonormal bases a core has the norm of what it stands for. */
function ofFull({ data }: Matrix): Core {
  return { values: data, kept: dot(data, data) };
}

function ofDiagonals(joint: Joint): { u: Matrix; v: Matrix; cores: Core[] } {
  const { u, v, cores } = diagonalised(joint);
  return { u, v, cores: cores.map(({ sigma, kept }) => ({ values: sigma, kept })) };
}

function project(delta: Factored, { u, v }: { u: Matrix; v: Matrix }, kind: CoreKind): Core {
  if (kind === "full") return ofFull(coreOf(delta, u, v));
  const { sigma, kept } = diagonalFor(delta, u, v);
  return { values: sigma, kept };
}

function empty(
  adapters: readonly Pick<Adapter, "name" | "layers" | "experts">[],
  core: CoreKind,
  assigned: readonly number[],
  count: number,
): CompressedAdapters {
  const layers = adapters[0].layers;
  return {
    core,
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

  /** Rounding may not make a loss negative. */
  add(adapter: number, squared: number, kept: number): void {
    this.#all[adapter] += squared;
    this.#lost[adapter] += Math.max(0, squared - kept);
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
