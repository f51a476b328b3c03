// The largest singular triples of a matrix that is too large to be decomposed whole.

import { Resident } from "../kernels/products.ts";
import { Random } from "../random.ts";
import { symmetricEigen, symmetricEigenvalues } from "./eigen.ts";
import { GrowingBasis } from "./growing_basis.ts";
import {
  firstColumns,
  firstRows,
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
/** Columns of a block. Few of them need more steps, and fewer columns in all. */
const WIDTH = 8;
/**
 * The search ends where what the wanted triples hold (Σ s²) would grow by less than this share with another look, going by
 * how its growth has shrunk. Values with a gap behind them are far more exact by then; without one any choice among them
 * holds as much.
 */
const SETTLED = 1e-11;
/** A shorter side of no more than this, or than three ranks, is decomposed by its Gram matrix. */
const SHORT = 128;
/** Blocks from one look at what is held to the next: a look costs as much as a block. */
const LOOK = 2;
/**
 * The `rank` largest triples of X; fewer where X has fewer rows or columns. Deterministic.
 *
 * Source: block Golub–Kahan bases with full reorthogonalisation of one side (Golub, Luk & Overton 1981; Simon & Zha 2000;
 * Musco & Musco 2015 for blocks from a random start). A basis that has grown to X's shorter side makes the result exact.
 */
export function topSvd(x: Matrix, rank: number): Svd {
  const most = Math.min(x.rows, x.cols);
  if (most <= SMALL) return firstTriples(svd(x), rank);
  if (most <= Math.max(SHORT, 3 * rank)) return byShorterSide(x, rank);
  const resident = new Resident(x, WIDTH);
  const basis = new GrowingBasis(x, WIDTH);
  try {
    return fromBlocks(resident, basis, rank);
  } finally {
    resident.close();
    basis.close();
  }
}

function fromBlocks(x: Resident, basis: GrowingBasis, rank: number): Svd {
  const most = Math.min(x.rows, x.cols);
  const random = new Random(x.rows, x.cols, 0x5bd);
  const start = Float64Array.from({ length: x.cols * WIDTH }, () => 2 * random.next() - 1);
  let right: Matrix = { rows: x.cols, cols: WIDTH, data: start };
  let held = 0;
  let growth = Number.NaN;
  let calm = false;
  for (let size = 0, blocks = 1; ; blocks++) {
    const width = Math.min(WIDTH, most - size);
    right = qr(firstColumns(right, width)).q;
    const { left, spent } = basis.add({ rows: x.rows, cols: width, data: x.times(right.data, width) });
    // Xᵀ·U is both the next right block and, transposed, what X looks like from U.
    const seen: Matrix = { rows: width, cols: x.cols, data: x.timesFromLeft(left.data, width) };
    basis.see(seen);
    size += width;
    const whole = size === most;
    if (whole || (size > rank && blocks % LOOK === 0)) {
      const now = heldBy(basis.gram, rank);
      const shrinks = Math.min(1, (now - held) / growth);
      growth = now - held;
      // Of the first two looks nothing is known of how growth shrinks.
      const settled = growth <= SETTLED * SETTLED * now || growth * shrinks <= SETTLED * now;
      // Where a block was spent, arbitrary directions took over, and have grown only by the next look: of a value that occurs
      // more often than a block has columns, they find the rest.
      if (whole || (settled && (calm || !spent))) {
        const found = triplesOf(basis.seen, rank);
        return oriented({ ...found, u: multiplyTransposed(basis.rows, found.u) });
      }
      [held, calm] = [now, settled];
    }
    right = transpose(seen);
  }
}

/** Σ s² of the largest values, by the Gram matrix. */
function heldBy(gram: Matrix, rank: number): number {
  return symmetricEigenvalues(gram)
    .subarray(0, rank)
    .reduce((sum, value) => sum + value, 0);
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
