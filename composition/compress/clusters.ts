// Which adapters share their factors: those that a common pair of bases keeps most of.

import { squaredNorm } from "../linear/factored.ts";
import { coreOf, jointBases, squaredError } from "./joint.ts";
import type { Slot } from "./slots.ts";

export interface ClusterOptions {
  rank: number;
  clusters: number;
}

/** Rounds of assignment; each fits the bases of every cluster roughly. */
const ROUNDS = 4;
const ROUGH = 2;

/**
 * The cluster of each adapter, from 0. Seeds are far apart: the first adapter, then each time the one that the seeds'
 * own bases keep least of. Then, as in k-means, bases are fitted to clusters and adapters go where the least of them is
 * lost, until nothing changes. Source: Compress then Serve (arXiv 2407.00066), section 3.3.
 */
export function assignClusters(slots: readonly Slot[], count: number, { rank, clusters }: ClusterOptions): number[] {
  let assigned = new Array<number>(count).fill(0);
  if (clusters <= 1 || count <= 1) return assigned;
  const seeds = [0];
  let losses = [lossesFor(slots, count, [0], rank)];
  while (seeds.length < Math.min(clusters, count)) {
    const least = Array.from({ length: count }, (_, i) => Math.min(...losses.map((own) => own[i])));
    const farthest = least.indexOf(Math.max(...least));
    // All that is left is kept whole already.
    if (!(least[farthest] > 1e-12)) break;
    seeds.push(farthest);
    losses.push(lossesFor(slots, count, [farthest], rank));
  }
  for (let round = 0; round < ROUNDS; round++) {
    const next = Array.from({ length: count }, (_, i) => indexOfLeast(losses.map((own) => own[i])));
    if (round > 0 && next.every((cluster, i) => cluster === assigned[i])) break;
    assigned = next;
    losses = seeds.map((_, cluster) => {
      const members = assigned.flatMap((own, i) => (own === cluster ? [i] : []));
      return members.length === 0 ? losses[cluster] : lossesFor(slots, count, members, rank);
    });
  }
  // Numbered without gaps, in the order of their first adapters.
  const numbers = [...new Set(assigned)];
  return assigned.map((cluster) => numbers.indexOf(cluster));
}

/** What the bases fitted to `members` lose of every adapter, as a share of its squared norm. */
function lossesFor(slots: readonly Slot[], count: number, members: readonly number[], rank: number): number[] {
  const lost = new Float64Array(count);
  const all = new Float64Array(count);
  for (const { deltas } of slots) {
    const own = members.flatMap((i) => deltas[i] ?? []);
    const bases = own.length === 0 ? undefined : jointBases(own, { rank, iterations: ROUGH });
    for (const [i, delta] of deltas.entries()) {
      if (delta === undefined) continue;
      const squared = squaredNorm(delta);
      all[i] += squared;
      lost[i] += bases === undefined ? squared : squaredError(squared, coreOf(delta, bases.u, bases.v));
    }
  }
  return Array.from(lost, (value, i) => (all[i] === 0 ? 0 : value / all[i]));
}

function indexOfLeast(values: readonly number[]): number {
  return values.indexOf(Math.min(...values));
}
