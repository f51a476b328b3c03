// LoRA-LEGO: the ranks of all adapters are pooled and clustered, and the clusters' centres are the merged ranks.

import type { Factored } from "../linear/factored.ts";
import { addScaled, type Matrix, norm, rowOf, transpose, zeros } from "../linear/matrix.ts";
import type { Random } from "../random.ts";

export interface LegoOptions {
  /** Clusters, and so the rank of the result. As many as there are ranks, or more: every rank stays itself. */
  rank: number;
  /** Stretch each centre to the mean length of its members: averaging shortens what does not agree. */
  reweight: boolean;
  random: Random;
}

const MOST_ROUNDS = 100;

/**
 * A unit is one rank's row of A beside its column of B, [in + out]; ranks may differ between adapters. With as many
 * clusters as ranks the result is Σ Δᵢ; copies of one adapter of rank r give that adapter at r clusters.
 *
 * Source: LoRA-LEGO (Zhao et al. 2024, arXiv 2409.16167), k-means after k-means++ (Arthur & Vassilvitskii 2007).
 *
 * @param deltas their scales shared out equally between both factors
 */
export function clusteredRanks(deltas: readonly Factored[], { rank, reweight, random }: LegoOptions): Factored {
  const units = pooled(deltas);
  const [inputs, outputs] = [deltas[0].a.cols, deltas[0].b.rows];
  if (rank >= units.rows) return split(units, inputs, outputs);
  const centres = kMeans(units, rank, random);
  const members = assign(units, centres);
  if (reweight) stretch(centres, units, members);
  return split(centres, inputs, outputs);
}

function pooled(deltas: readonly Factored[]): Matrix {
  const [inputs, outputs] = [deltas[0].a.cols, deltas[0].b.rows];
  const units = zeros(
    deltas.reduce((sum, { a }) => sum + a.rows, 0),
    inputs + outputs,
  );
  let at = 0;
  for (const { b, a } of deltas) {
    const columns = transpose(b);
    for (let r = 0; r < a.rows; r++) {
      const unit = rowOf(units, at++);
      unit.set(rowOf(a, r));
      unit.set(rowOf(columns, r), inputs);
    }
  }
  return units;
}

function split(units: Matrix, inputs: number, outputs: number): Factored {
  const a = zeros(units.rows, inputs);
  const b = zeros(outputs, units.rows);
  for (let r = 0; r < units.rows; r++) {
    rowOf(a, r).set(rowOf(units, r).subarray(0, inputs));
    for (let i = 0; i < outputs; i++) b.data[i * units.rows + r] = units.data[r * units.cols + inputs + i];
  }
  return { b, a };
}

function kMeans(units: Matrix, k: number, random: Random): Matrix {
  let centres = firstCentres(units, k, random);
  let members = assign(units, centres);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    centres = means(units, members, centres);
    const next = assign(units, centres);
    if (next.every((cluster, i) => cluster === members[i])) break;
    members = next;
  }
  return centres;
}

/** Each further centre is drawn by its squared distance to those before. */
function firstCentres(units: Matrix, k: number, random: Random): Matrix {
  const centres = zeros(k, units.cols);
  rowOf(centres, 0).set(rowOf(units, random.integer(0, units.rows - 1)));
  const nearest = new Float64Array(units.rows).fill(Number.POSITIVE_INFINITY);
  for (let c = 1; c < k; c++) {
    let total = 0;
    for (let i = 0; i < units.rows; i++) {
      nearest[i] = Math.min(nearest[i], squaredDistance(rowOf(units, i), rowOf(centres, c - 1)));
      total += nearest[i];
    }
    let left = random.next() * total;
    let chosen = nearest.findLastIndex((distance) => distance > 0);
    for (let i = 0; i < units.rows; i++) {
      left -= nearest[i];
      if (left < 0 && nearest[i] > 0) {
        chosen = i;
        break;
      }
    }
    // Fewer different units than clusters: the centre stays zero, a rank that adds nothing.
    if (chosen >= 0) rowOf(centres, c).set(rowOf(units, chosen));
  }
  return centres;
}

/** Index of the nearest centre for every unit. */
function assign(units: Matrix, centres: Matrix): number[] {
  return Array.from({ length: units.rows }, (_, i) => {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let c = 0; c < centres.rows; c++) {
      const distance = squaredDistance(rowOf(units, i), rowOf(centres, c));
      if (distance < least) [best, least] = [c, distance];
    }
    return best;
  });
}

/** A cluster without members keeps its centre. */
function means(units: Matrix, members: readonly number[], before: Matrix): Matrix {
  const centres: Matrix = { ...before, data: before.data.slice() };
  for (let c = 0; c < centres.rows; c++) {
    const own = members.flatMap((cluster, i) => (cluster === c ? [i] : []));
    if (own.length === 0) continue;
    const centre = rowOf(centres, c).fill(0);
    for (const i of own) addScaled(centre, rowOf(units, i), 1 / own.length);
  }
  return centres;
}

function stretch(centres: Matrix, units: Matrix, members: readonly number[]): void {
  for (let c = 0; c < centres.rows; c++) {
    const own = members.flatMap((cluster, i) => (cluster === c ? [norm(rowOf(units, i))] : []));
    const length = norm(rowOf(centres, c));
    if (own.length === 0 || length === 0) continue;
    const mean = own.reduce((sum, one) => sum + one, 0) / own.length;
    const centre = rowOf(centres, c);
    for (let i = 0; i < centre.length; i++) centre[i] *= mean / length;
  }
}

function squaredDistance(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] - y[i]) ** 2;
  return sum;
}
