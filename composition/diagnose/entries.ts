// Where the entries of deltas pull against each other. All entries of a small matrix, a drawn block of a large one.

import type { Factored } from "../linear/factored.ts";
import { product } from "../linear/factored.ts";
import { type Matrix, zeros } from "../linear/matrix.ts";
import { Random } from "../random.ts";

/** Rows and columns of the block drawn from a large matrix. */
export const BLOCK_ROWS = 96;
export const BLOCK_COLS = 256;

/** Entries that `signConflict` compares, of each delta the same ones. */
export function entriesOf(deltas: readonly Factored[], seed: number): Matrix[] {
  const [{ b, a }] = deltas;
  const random = new Random(seed);
  const rows = drawn(b.rows, BLOCK_ROWS, random);
  const cols = drawn(a.cols, BLOCK_COLS, random);
  return deltas.map((delta) => product({ b: takenRows(delta.b, rows), a: takenColumns(delta.a, cols) }));
}

/** The share of entries where both are non-zero with opposite signs, among all. */
export function signConflict(x: Matrix, y: Matrix): number {
  const [left, right] = [x.data, y.data];
  let opposed = 0;
  for (let i = 0; i < left.length; i++) if (left[i] * right[i] < 0) opposed++;
  return opposed / left.length;
}

/** 1 − Σ|ΣΔ| / ΣΣ|Δ|: how much of the deltas' weight their sum cancels. 0 of zero matrices. */
export function weightedConflict(deltas: readonly Matrix[], weights: readonly number[] = deltas.map(() => 1)): number {
  const sums = new Float64Array(deltas[0].data.length);
  let all = 0;
  // Delta by delta: an inner loop over deltas costs ten times as much.
  for (const [k, { data }] of deltas.entries()) {
    const weight = weights[k];
    for (let i = 0; i < sums.length; i++) {
      const value = weight * data[i];
      sums[i] += value;
      all += Math.abs(value);
    }
  }
  let kept = 0;
  for (let i = 0; i < sums.length; i++) kept += Math.abs(sums[i]);
  return all === 0 ? 0 : 1 - kept / all;
}

/** Indices below `count`, ascending: all of them, or `most` that are drawn without repeats. */
function drawn(count: number, most: number, random: Random): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  if (count <= most) return all;
  for (let i = 0; i < most; i++) {
    const j = random.integer(i, count - 1);
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all.slice(0, most).sort((i, j) => i - j);
}

function takenRows(x: Matrix, rows: readonly number[]): Matrix {
  const out = zeros(rows.length, x.cols);
  for (const [i, row] of rows.entries()) {
    out.data.set(x.data.subarray(row * x.cols, (row + 1) * x.cols), i * x.cols);
  }
  return out;
}

function takenColumns(x: Matrix, cols: readonly number[]): Matrix {
  const out = zeros(x.rows, cols.length);
  for (let i = 0; i < x.rows; i++) {
    for (const [j, col] of cols.entries()) out.data[i * cols.length + j] = x.data[i * x.cols + col];
  }
  return out;
}
