// Eigenvalues and eigenvectors of a symmetric matrix.

import { type Matrix, transpose, zeros } from "./matrix.ts";

/** M = Σ values[k]·v vᵀ with v row k of `vectors`; values descending. */
export interface Eigen {
  values: Float64Array;
  vectors: Matrix;
}

const MOST_ROUNDS = 60;
/** What stands beside the diagonal and is so small a part of the largest value is rounding, which need not converge. */
const ROUNDING = 1e-20;

/**
 * Householder reflections to a tridiagonal matrix, then implicit QL with Wilkinson's shift. The lower triangle is read.
 * Source: Golub & Van Loan, Matrix Computations, 8.3.
 *
 * @throws RangeError where it does not converge: the matrix has values that are not finite
 */
export function symmetricEigen(matrix: Matrix): Eigen {
  const n = matrix.rows;
  const { diagonal, beside, reflections } = tridiagonal(matrix);
  // Rows of `rows` are eigenvectors in the making: a rotation touches two of them.
  const rows = transpose(turnsOf(reflections, n)).data;
  diagonalise(diagonal, beside, rows, n);
  const order = Array.from(diagonal, (_, i) => i).sort((i, j) => diagonal[j] - diagonal[i]);
  const vectors = zeros(n, n);
  for (const [k, i] of order.entries()) vectors.data.set(rows.subarray(i * n, (i + 1) * n), k * n);
  return { values: Float64Array.from(order, (i) => diagonal[i]), vectors };
}

/** The values alone, descending, for a third of the work. @throws RangeError as `symmetricEigen` */
export function symmetricEigenvalues(matrix: Matrix): Float64Array {
  const { diagonal, beside } = tridiagonal(matrix);
  diagonalise(diagonal, beside, new Float64Array(0), 0);
  return diagonal.sort().reverse();
}

/** What becomes of the diagonal; `rows` have `width` columns. */
function diagonalise(diagonal: Float64Array, beside: Float64Array, rows: Float64Array, width: number): void {
  const n = diagonal.length;
  const least = ROUNDING * [...diagonal, ...beside].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let low = 0; low < n; low++) {
    for (let round = 0; ; round++) {
      let split = low;
      for (; split < n - 1; split++) {
        const size = Math.abs(diagonal[split]) + Math.abs(diagonal[split + 1]);
        if (Math.abs(beside[split]) <= Math.max(Number.EPSILON * size, least)) break;
      }
      if (split === low) break;
      if (round === MOST_ROUNDS) throw new RangeError("the eigenvalues do not converge");
      chase(diagonal, beside, rows, low, split, width);
    }
  }
}

/** One implicit QL sweep over [low, high]. */
function chase(
  diagonal: Float64Array,
  beside: Float64Array,
  rows: Float64Array,
  low: number,
  high: number,
  n: number,
): void {
  const half = (diagonal[low + 1] - diagonal[low]) / (2 * beside[low]);
  const root = Math.hypot(half, 1);
  let g = diagonal[high] - diagonal[low] + beside[low] / (half + (half < 0 ? -root : root));
  let [sine, cosine, p] = [1, 1, 0];
  for (let i = high - 1; i >= low; i--) {
    const f = sine * beside[i];
    const b = cosine * beside[i];
    const r = Math.hypot(f, g);
    beside[i + 1] = r;
    if (r === 0) {
      diagonal[i + 1] -= p;
      beside[high] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = diagonal[i + 1] - p;
    const t = (diagonal[i] - g) * sine + 2 * cosine * b;
    p = sine * t;
    diagonal[i + 1] = g + p;
    g = cosine * t - b;
    const [upper, lower] = [i * n, (i + 1) * n];
    for (let c = 0; c < n; c++) {
      const value = rows[lower + c];
      rows[lower + c] = sine * rows[upper + c] + cosine * value;
      rows[upper + c] = cosine * rows[upper + c] - sine * value;
    }
  }
  diagonal[low] -= p;
  beside[low] = g;
  beside[high] = 0;
}

interface Reflection {
  v: Float64Array;
  from: number;
}

/** M = Q·T·Qᵀ with T tridiagonal, Q the product of the reflections. beside[i] stands between i and i + 1. */
function tridiagonal(matrix: Matrix): { diagonal: Float64Array; beside: Float64Array; reflections: Reflection[] } {
  const n = matrix.rows;
  const a = matrix.data.slice();
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a[j * n + i] = a[i * n + j];
  const reflections: Reflection[] = [];
  const p = new Float64Array(n);
  for (let k = 0; k + 2 < n; k++) {
    const v = new Float64Array(n);
    let length = 0;
    for (let i = k + 1; i < n; i++) {
      v[i] = a[i * n + k];
      length += v[i] * v[i];
    }
    length = Math.sqrt(length);
    if (length === 0) continue;
    v[k + 1] += v[k + 1] < 0 ? -length : length;
    let square = 0;
    for (let i = k + 1; i < n; i++) square += v[i] * v[i];
    const scale = Math.sqrt(2 / square);
    for (let i = k + 1; i < n; i++) v[i] *= scale;
    // A −= v·wᵀ + w·vᵀ with w = A·v − (vᵀAv / 2)·v
    let both = 0;
    for (let i = k; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += a[i * n + j] * v[j];
      p[i] = sum;
      both += sum * v[i];
    }
    for (let i = k; i < n; i++) p[i] -= (both / 2) * v[i];
    for (let i = k; i < n; i++) {
      const [left, right] = [v[i], p[i]];
      for (let j = k; j < n; j++) a[i * n + j] -= left * p[j] + right * v[j];
    }
    reflections.push({ v, from: k + 1 });
  }
  return {
    diagonal: Float64Array.from({ length: n }, (_, i) => a[i * n + i]),
    beside: Float64Array.from({ length: n }, (_, i) => (i + 1 < n ? a[(i + 1) * n + i] : 0)),
    reflections,
  };
}

function turnsOf(reflections: readonly Reflection[], n: number): Matrix {
  const turns = zeros(n, n);
  for (let i = 0; i < n; i++) turns.data[i * n + i] = 1;
  const sums = new Float64Array(n);
  for (const { v, from } of [...reflections].reverse()) {
    sums.fill(0);
    for (let i = from; i < n; i++) for (let j = from; j < n; j++) sums[j] += v[i] * turns.data[i * n + j];
    for (let i = from; i < n; i++) for (let j = from; j < n; j++) turns.data[i * n + j] -= v[i] * sums[j];
  }
  return turns;
}
