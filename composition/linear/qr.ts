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
    const [from, to] = [floats.subarray(columns.at / 8), floats.subarray(turned.at / 8)];
    turn(data, rows, cols, from);
    kernels.householder_qr(columns.at, rows, cols, v.at, turned.at);
    const [q, r] = [zeros(rows, k), zeros(k, cols)];
    for (let c = 0; c < cols; c++) for (let i = 0; i <= c && i < k; i++) r.data[i * cols + c] = from[c * rows + i];
    turn(to, k, rows, q.data);
    return { q, r };
  });
}

/** x [rows, cols] turned, into `out` [cols, rows]. A function of its own: V8 makes better code of it than within a closure. */
function turn(x: Float64Array, rows: number, cols: number, out: Float64Array): void {
  for (let i = 0; i < rows; i++) for (let c = 0; c < cols; c++) out[c * rows + i] = x[i * cols + c];
}
