// Singular value decomposition of a small dense matrix by one-sided Jacobi rotations.

import { addScaled, dot, type Matrix, multiply, norm, rowOf, transpose, zeros } from "./matrix.ts";
import { qr } from "./qr.ts";

/** X = U·diag(s)·Vᵀ with k = min(rows, cols): U [rows, k], s descending and ≥ 0, Vᵀ [k, cols]. */
export interface Svd {
  u: Matrix;
  s: Float64Array;
  vt: Matrix;
}

const MAX_SWEEPS = 60;
/** Columns are orthogonal where their cosine is rounding. */
const ORTHOGONAL = 1e-15;
/** A column so much shorter than the matrix is zero. */
const NOTHING = 1e-20;

/**
 * The thin SVD. Vectors of zero singular values are orthonormal too, and arbitrary; the largest component of each right
 * vector is positive, so that the result depends on X alone.
 *
 * Source: Demmel & Veselić 1992: one-sided Jacobi finds small singular values to high relative accuracy. QR first makes
 * the rotations short (Drmač & Veselić 2008).
 *
 * @throws RangeError for values that are not finite
 */
export function svd(x: Matrix): Svd {
  if (!x.data.every(Number.isFinite)) throw new RangeError("the matrix has values that are not finite");
  if (x.rows < x.cols) {
    const { u, s, vt } = svd(transpose(x));
    return oriented({ u: transpose(vt), s, vt: transpose(u) });
  }
  const { q, r } = qr(x);
  // The columns of Rᵀ are R's rows: sorted by length as they tend to be, they need few sweeps.
  const { columns, rotations } = rotate(r);
  const lengths = Array.from({ length: r.rows }, (_, i) => norm(rowOf(columns, i)));
  const order = lengths.map((_, i) => i).sort((i, j) => lengths[j] - lengths[i] || i - j);
  const nothing = NOTHING * Math.max(...lengths, 0);

  const s = new Float64Array(r.rows);
  const vt = zeros(r.rows, r.cols);
  const core = zeros(r.rows, r.rows);
  for (const [k, i] of order.entries()) {
    rowOf(core, k).set(rowOf(rotations, i));
    if (!(lengths[i] > nothing)) continue;
    s[k] = lengths[i];
    addScaled(rowOf(vt, k), rowOf(columns, i), 1 / lengths[i]);
  }
  completeRows(vt, s.indexOf(0));
  return oriented({ u: multiply(q, transpose(core)), s, vt });
}

/**
 * Rotates the rows of a square matrix against each other until they are orthogonal: rotations · X = columns, where
 * `rotations` is orthogonal.
 */
function rotate(x: Matrix): { columns: Matrix; rotations: Matrix } {
  const n = x.rows;
  const columns: Matrix = { ...x, data: x.data.slice() };
  const rotations = zeros(n, n);
  for (let i = 0; i < n; i++) rotations.data[i * n + i] = 1;
  const least = (NOTHING * norm(x.data)) ** 2;
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let turned = false;
    const squares = Float64Array.from({ length: n }, (_, i) => dot(rowOf(columns, i), rowOf(columns, i)));
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        if (!(squares[i] > least && squares[j] > least)) continue;
        const product = dot(rowOf(columns, i), rowOf(columns, j));
        if (Math.abs(product) <= ORTHOGONAL * Math.sqrt(squares[i]) * Math.sqrt(squares[j])) continue;
        turned = true;
        const zeta = (squares[j] - squares[i]) / (2 * product);
        const tangent = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cosine = 1 / Math.hypot(1, tangent);
        turn(rowOf(columns, i), rowOf(columns, j), cosine, cosine * tangent);
        turn(rowOf(rotations, i), rowOf(rotations, j), cosine, cosine * tangent);
        squares[i] -= tangent * product;
        squares[j] += tangent * product;
      }
    }
    if (!turned) break;
  }
  return { columns, rotations };
}

function turn(x: Float64Array, y: Float64Array, cosine: number, sine: number): void {
  for (let k = 0; k < x.length; k++) {
    const left = x[k];
    const right = y[k];
    x[k] = cosine * left - sine * right;
    y[k] = sine * left + cosine * right;
  }
}

/** Makes the rows from `first` on orthonormal to all before; −1: there are none. */
function completeRows(x: Matrix, first: number): void {
  if (first < 0) return;
  let axis = 0;
  for (let k = first; k < x.rows; k++) {
    const row = rowOf(x, k);
    for (; ; axis++) {
      row.fill(0);
      row[axis] = 1;
      for (let pass = 0; pass < 2; pass++) {
        for (let i = 0; i < k; i++) addScaled(row, rowOf(x, i), -dot(row, rowOf(x, i)));
      }
      // An axis that nearly lies in what is spanned would leave only rounding; the space has a better one.
      const left = norm(row);
      if (left * left * x.cols > 0.5) {
        for (let c = 0; c < row.length; c++) row[c] /= left;
        break;
      }
    }
    axis++;
  }
}

/** The largest component of each right vector made positive. */
export function oriented({ u, s, vt }: Svd): Svd {
  for (let k = 0; k < s.length; k++) {
    const row = rowOf(vt, k);
    const largest = row.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
    if (largest >= 0) continue;
    for (let c = 0; c < row.length; c++) row[c] = -row[c];
    for (let i = 0; i < u.rows; i++) u.data[i * u.cols + k] = -u.data[i * u.cols + k];
  }
  return { u, s, vt };
}
