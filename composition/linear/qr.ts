// Thin QR by Householder reflections.

import { places, withKernels } from "../kernels/float64.ts";
import { type Matrix, zeros } from "./matrix.ts";

/** X = Q·R with k = min(rows, cols): Q [rows, k] has orthonormal columns, R [k, cols] is upper triangular. */
export interface Qr {
  q: Matrix;
  r: Matrix;
}

/**
 * Stable whatever X's rank: where columns depend on each other, R has (almost) zero rows and Q is orthonormal still.
 * Source: Golub & Van Loan, Matrix Computations, 5.2.
 */
export function qr({ rows, cols, data }: Matrix): Qr {
  const k = Math.min(rows, cols);
  const [columns, v, turned] = places([rows * cols, rows * k, rows * k]);
  return withKernels(turned.end, (kernels) => {
    const floats = new Float64Array(kernels.memory.buffer);
    const [from, to] = [columns.at / 8, turned.at / 8];
    for (let i = 0; i < rows; i++) for (let c = 0; c < cols; c++) floats[from + c * rows + i] = data[i * cols + c];
    kernels.householder_qr(columns.at, rows, cols, v.at, turned.at);
    const [q, r] = [zeros(rows, k), zeros(k, cols)];
    for (let i = 0; i < k; i++) for (let c = i; c < cols; c++) r.data[i * cols + c] = floats[from + c * rows + i];
    for (let i = 0; i < rows; i++) for (let c = 0; c < k; c++) q.data[i * k + c] = floats[to + c * rows + i];
    return { q, r };
  });
}
