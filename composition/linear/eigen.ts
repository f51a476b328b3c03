// Eigenvalues and eigenvectors of a symmetric matrix.

import { places, withKernels } from "../kernels/float64.ts";
import { type Matrix, zeros } from "./matrix.ts";

/** M = Σ values[k]·v vᵀ with v row k of `vectors`; values descending. */
export interface Eigen {
  values: Float64Array;
  vectors: Matrix;
}

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
  const { diagonal, rows } = diagonalised(matrix, n);
  const order = Array.from(diagonal, (_, i) => i).sort((i, j) => diagonal[j] - diagonal[i]);
  const vectors = zeros(n, n);
  for (const [k, i] of order.entries()) vectors.data.set(rows.subarray(i * n, (i + 1) * n), k * n);
  return { values: Float64Array.from(order, (i) => diagonal[i]), vectors };
}

/** The values alone, descending, for a third of the work. @throws RangeError as `symmetricEigen` */
export function symmetricEigenvalues(matrix: Matrix): Float64Array {
  return diagonalised(matrix, 0).diagonal.sort().reverse();
}

/** Values in no order, and their vectors as rows. @param width of a row: n, or 0 for none */
function diagonalised({ rows: n, data }: Matrix, width: number): { diagonal: Float64Array; rows: Float64Array } {
  const [a, v, p, diagonal, beside, turned] = places([n * n, n * n, n, n, n, n * width]);
  return withKernels(turned.end, (kernels) => {
    const floats = new Float64Array(kernels.memory.buffer);
    const numbers = (at: number, count: number) => floats.subarray(at / 8, at / 8 + count);
    const whole = numbers(a.at, n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) whole[i * n + j] = whole[j * n + i] = data[i * n + j];
    kernels.tridiagonal(a.at, n, v.at, p.at, diagonal.at, beside.at);
    if (width > 0) kernels.turns(v.at, n, turned.at);
    const [values, others] = [numbers(diagonal.at, n), numbers(beside.at, n)];
    const least = ROUNDING * [...values, ...others].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (kernels.ql(diagonal.at, beside.at, n, turned.at, width, least) === 0) {
      throw new RangeError("the eigenvalues do not converge");
    }
    return { diagonal: values.slice(), rows: numbers(turned.at, n * width).slice() };
  });
}
