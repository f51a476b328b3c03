// The largest singular triples of a matrix that is too large to be decomposed whole.

import { Random } from "../random.ts";
import { symmetricEigen, symmetricEigenvalues } from "./eigen.ts";
import {
  firstColumns,
  firstRows,
  joinColumns,
  joinRows,
  type Matrix,
  multiply,
  multiplyTransposed,
  rowProducts,
  scaleColumns,
  transpose,
} from "./matrix.ts";
import { qr } from "./qr.ts";
import { oriented, type Svd, svd } from "./svd.ts";

/** Matrices whose shorter side is no longer are decomposed whole: that is as fast, and exact. */
const SMALL = 96;
/** Columns of a block beyond the wanted rank: values that lie close together are found together. */
const SPARE = 8;
/**
 * The search ends where what the wanted triples hold (Σ s²) would grow by less than this share with another block, going by
 * how its growth has shrunk. Values with a gap behind them are far more exact by then; without one any choice among them
 * holds as much.
 */
const SETTLED = 1e-8;
/** A shorter side of no more blocks is decomposed by its Gram matrix. */
const FEW_BLOCKS = 8;
/** Blocks before the first look at what is held. */
const FIRST_LOOK = 2;

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
  if (most <= FEW_BLOCKS * width) return byShorterSide(x, rank);
  const random = new Random(x.rows, x.cols, 0x5bd);
  const start = Float64Array.from({ length: x.cols * width }, () => 2 * random.next() - 1);
  let right: Matrix = { rows: x.cols, cols: width, data: start };
  const products = productsOf(x);
  const rights: Matrix[] = [];
  const lefts: Matrix[] = [];
  const projections: Matrix[] = [];
  let held = 0;
  let growth = Number.NaN;
  for (let size = 0; ; ) {
    right = orthonormal(right, rights);
    rights.push(right);
    const left = orthonormal(products.right(right), lefts);
    lefts.push(left);
    size += left.cols;
    // Xᵀ·U is both the next right block and, transposed, what X looks like from U.
    const seen = products.left(left);
    projections.push(seen);
    const whole = size === most;
    if (whole || projections.length >= FIRST_LOOK) {
      const seenSoFar = joinRows(projections);
      const now = heldBy(seenSoFar, rank);
      const shrinks = Math.min(1, (now - held) / growth);
      growth = now - held;
      // Of the first two looks nothing is known of how growth shrinks.
      if (whole || growth * shrinks <= SETTLED * now) {
        const found = triplesOf(seenSoFar, rank);
        return oriented({ ...found, u: multiply(joinColumns(lefts), found.u) });
      }
      held = now;
    }
    right = transpose(firstRows(seen, Math.min(width, most - size)));
  }
}

/** Σ s² of the largest values of a wide matrix. */
function heldBy(p: Matrix, rank: number): number {
  const values = symmetricEigenvalues(rowProducts(p, p));
  return values.subarray(0, rank).reduce((sum, value) => sum + value, 0);
}

/** Of more zeros than this, skipping them is faster than computing in tiles. */
const SPARSE = 0.5;

/** X·V, and Uᵀ·X. */
function productsOf(x: Matrix): { right: (v: Matrix) => Matrix; left: (u: Matrix) => Matrix } {
  let zero = 0;
  for (const value of x.data) if (value === 0) zero++;
  if (zero > SPARSE * x.data.length) {
    return { right: (v) => multiply(x, v), left: (u) => transpose(multiplyTransposed(x, u)) };
  }
  const turned = transpose(x);
  return { right: (v) => rowProducts(x, transpose(v)), left: (u) => rowProducts(transpose(u), turned) };
}

/** All values are found, for less than a basis of that size would cost. */
function byShorterSide(x: Matrix, rank: number): Svd {
  if (x.rows <= x.cols) return oriented(triplesOf(x, rank));
  const { u, s, vt } = triplesOf(transpose(x), rank);
  return oriented({ u: transpose(vt), s, vt: transpose(u) });
}

/** Of a wide matrix, by the eigenvectors of P·Pᵀ: only the largest values are wanted, and these keep their digits. */
function triplesOf(p: Matrix, rank: number): Svd {
  const { values, vectors } = symmetricEigen(rowProducts(p, p));
  const first = firstRows(vectors, Math.min(rank, vectors.rows));
  const s = Float64Array.from(values.subarray(0, first.rows), (value) => Math.sqrt(Math.max(0, value)));
  const scaled = multiply(first, p);
  // QR makes rows orthonormal that squaring has left not quite so.
  const { q, r } = qr(transpose(scaled));
  for (let k = 0; k < s.length; k++) s[k] = Math.abs(r.data[k * r.cols + k]);
  const signs = s.map((_, k) => (r.data[k * r.cols + k] < 0 ? -1 : 1));
  return { u: transpose(first), s, vt: transpose(scaleColumns(q, signs)) };
}

function firstTriples({ u, s, vt }: Svd, rank: number): Svd {
  const kept = Math.min(rank, s.length);
  return { u: firstColumns(u, kept), s: s.slice(0, kept), vt: firstRows(vt, kept) };
}

/** Columns orthonormal to each other and to those of `before`. */
function orthonormal(block: Matrix, before: readonly Matrix[]): Matrix {
  let out = block;
  for (let pass = 1; ; pass++) {
    for (const basis of before) {
      const shadow = multiply(basis, multiplyTransposed(basis, out));
      for (let i = 0; i < shadow.data.length; i++) shadow.data[i] = out.data[i] - shadow.data[i];
      out = shadow;
    }
    const { q, r } = qr(out);
    out = q;
    // Twice is enough for what has length (Kahan, in Parlett); a column of rounding alone is a new one after that.
    const fresh = r.data.some((value, i) => i % (r.cols + 1) === 0 && Math.abs(value) < 1e-8);
    if (before.length === 0 || pass === 3 || (pass === 2 && !fresh)) return out;
  }
}
