// Linear equations with a symmetric matrix that has no negative eigenvalue.

import { addScaled, type Matrix, rowOf, zeros } from "../linear/matrix.ts";

/** Added to the diagonal, as a share of its mean: equations that repeat each other have a solution then, a short one. */
const RIDGE = 1e-10;

/** X with M·X = right, by Cholesky's factors. [n, n] and [n, columns] */
export function solvePositive(matrix: Matrix, right: Matrix): Matrix {
  const n = matrix.rows;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += matrix.data[i * n + i];
  const out: Matrix = { ...right, data: right.data.slice() };
  // Nothing is asked of X.
  if (!(trace > 0)) return { ...out, data: out.data.fill(0) };
  const lower = zeros(n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = matrix.data[i * n + j] + (i === j ? (RIDGE * trace) / n : 0);
      for (let k = 0; k < j; k++) rest -= lower.data[i * n + k] * lower.data[j * n + k];
      // Rounding may leave a pivot at zero or below; the ridge is what it would be without.
      lower.data[i * n + j] = i === j ? Math.sqrt(Math.max(rest, (RIDGE * trace) / n)) : rest / lower.data[j * n + j];
    }
  }
  for (let i = 0; i < n; i++) {
    const row = rowOf(out, i);
    for (let k = 0; k < i; k++) addScaled(row, rowOf(out, k), -lower.data[i * n + k]);
    divide(row, lower.data[i * n + i]);
  }
  for (let i = n - 1; i >= 0; i--) {
    const row = rowOf(out, i);
    for (let k = i + 1; k < n; k++) addScaled(row, rowOf(out, k), -lower.data[k * n + i]);
    divide(row, lower.data[i * n + i]);
  }
  return out;
}

function divide(row: Float64Array, by: number): void {
  for (let c = 0; c < row.length; c++) row[c] /= by;
}
