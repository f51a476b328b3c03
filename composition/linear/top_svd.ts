// The largest singular triples of a matrix that is too large to be decomposed whole.

import { Random } from "../random.ts";
import {
  addScaled,
  firstColumns,
  firstRows,
  joinColumns,
  joinRows,
  type Matrix,
  multiply,
  rowOf,
  transpose,
  zeros,
} from "./matrix.ts";
import { qr } from "./qr.ts";
import { type Svd, svd } from "./svd.ts";

/** Matrices whose shorter side is no longer are decomposed whole: that is as fast, and exact. */
const SMALL = 96;
/** Columns of a block beyond the wanted rank: values that lie close together are found together. */
const SPARE = 8;
/** The wanted values stand still where what they hold of the matrix grows by less than this share. */
const SETTLED = 1e-13;

/**
 * The `rank` largest triples of X; fewer where X has fewer rows or columns. Zero entries cost nothing, so that a pruned
 * matrix is fast. Deterministic.
 *
 * Source: block Golub–Kahan bases with full reorthogonalisation (Golub, Luk & Overton 1981; Musco & Musco 2015 for blocks
 * from a random start). A basis that has grown to X's shorter side makes the result exact.
 */
export function topSvd(x: Matrix, rank: number): Svd {
  const most = Math.min(x.rows, x.cols);
  if (most <= SMALL) return firstTriples(svd(x), rank);
  const width = Math.min(rank + SPARE, most);
  const random = new Random(x.rows, x.cols, 0x5bd);
  const start = Float64Array.from({ length: x.cols * width }, () => 2 * random.next() - 1);
  let right: Matrix = { rows: x.cols, cols: width, data: start };
  const rights: Matrix[] = [];
  const lefts: Matrix[] = [];
  const projections: Matrix[] = [];
  let held = 0;
  for (let size = 0; ; ) {
    right = orthonormal(right, rights);
    rights.push(right);
    const left = orthonormal(times(x, right), lefts);
    lefts.push(left);
    size += left.cols;
    // Xᵀ·U is both the next right block and, transposed, what X looks like from U.
    const seen = transposedTimes(x, left);
    projections.push(transpose(seen));
    const whole = size === most;
    if (whole || projections.length % 2 === 0) {
      const found = svd(joinRows(projections));
      const now = found.s.subarray(0, rank).reduce((sum, s) => sum + s * s, 0);
      if (whole || now - held <= SETTLED * now) {
        return firstTriples({ ...found, u: multiply(joinColumns(lefts), found.u) }, rank);
      }
      held = now;
    }
    right = firstColumns(seen, Math.min(width, most - size));
  }
}

function firstTriples({ u, s, vt }: Svd, rank: number): Svd {
  const kept = Math.min(rank, s.length);
  return { u: firstColumns(u, kept), s: s.slice(0, kept), vt: firstRows(vt, kept) };
}

/** Columns orthonormal to each other and to those of `before`. */
function orthonormal(block: Matrix, before: readonly Matrix[]): Matrix {
  let columns = transpose(block);
  // Twice is enough for what has length (Kahan, in Parlett); a column of rounding alone is a new one after that.
  for (let pass = 0; pass < 3; pass++) {
    for (const basis of before) {
      const rows = transpose(basis);
      for (let c = 0; c < columns.rows; c++) {
        const column = rowOf(columns, c);
        for (let r = 0; r < rows.rows; r++) {
          const row = rowOf(rows, r);
          let product = 0;
          for (let i = 0; i < row.length; i++) product += row[i] * column[i];
          addScaled(column, row, -product);
        }
      }
    }
    columns = transpose(qr(transpose(columns)).q);
  }
  return transpose(columns);
}

/** X·P */
function times(x: Matrix, p: Matrix): Matrix {
  const out = zeros(x.rows, p.cols);
  for (let i = 0; i < x.rows; i++) {
    const row = rowOf(out, i);
    for (let k = 0; k < x.cols; k++) {
      const value = x.data[i * x.cols + k];
      if (value !== 0) addScaled(row, rowOf(p, k), value);
    }
  }
  return out;
}

/** Xᵀ·U */
function transposedTimes(x: Matrix, u: Matrix): Matrix {
  const out = zeros(x.cols, u.cols);
  for (let i = 0; i < x.rows; i++) {
    const row = rowOf(u, i);
    for (let k = 0; k < x.cols; k++) {
      const value = x.data[i * x.cols + k];
      if (value !== 0) addScaled(rowOf(out, k), row, value);
    }
  }
  return out;
}
