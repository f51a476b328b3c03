// Thin QR by Householder reflections.

import { addScaled, dot, type Matrix, norm, rowOf, transpose, zeros } from "./matrix.ts";

/** X = Q·R with k = min(rows, cols): Q [rows, k] has orthonormal columns, R [k, cols] is upper triangular. */
export interface Qr {
  q: Matrix;
  r: Matrix;
}

/**
 * Stable whatever X's rank: where columns depend on each other, R has (almost) zero rows and Q is orthonormal still.
 * Source: Golub & Van Loan, Matrix Computations, 5.2.
 */
export function qr(x: Matrix): Qr {
  const k = Math.min(x.rows, x.cols);
  // A reflection works on columns: as rows of the transpose they lie together.
  const columns = transpose(x);
  const reflections: Float64Array[] = [];
  for (let j = 0; j < k; j++) {
    const v = reflection(rowOf(columns, j), j);
    reflections.push(v);
    for (let c = j; c < x.cols; c++) reflect(rowOf(columns, c), v, j);
  }
  const r = zeros(k, x.cols);
  for (let i = 0; i < k; i++) for (let c = i; c < x.cols; c++) r.data[i * x.cols + c] = columns.data[c * x.rows + i];

  const q = zeros(k, x.rows);
  for (let j = 0; j < k; j++) {
    const column = rowOf(q, j);
    column[j] = 1;
    for (let i = j; i >= 0; i--) reflect(column, reflections[i], i);
  }
  return { q: transpose(q), r };
}

/** Unit v of the reflection I − 2vvᵀ that maps x[from…] onto ±‖x‖·e₁; zero where there is nothing to map. */
function reflection(x: Float64Array, from: number): Float64Array {
  const v = x.slice(from);
  const length = norm(v);
  if (length === 0) return v;
  // Away from zero: no cancellation.
  v[0] += v[0] < 0 ? -length : length;
  const scale = 1 / norm(v);
  return v.map((value) => value * scale);
}

/** x[from…] −= 2·v·(v·x[from…]) */
function reflect(x: Float64Array, v: Float64Array, from: number): void {
  const rest = x.subarray(from);
  addScaled(rest, v, -2 * dot(rest, v));
}
