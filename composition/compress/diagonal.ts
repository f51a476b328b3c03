// Diagonal cores: Δᵢ ≈ U · diag(σᵢ) · Vᵀ with U and V of unit columns, which need not be orthogonal.

import type { Factored } from "../linear/factored.ts";
import {
  addScaled,
  dot,
  joinRows,
  type Matrix,
  multiply,
  multiplyTransposed,
  norm,
  rowOf,
  rowsOf,
  scaleColumns,
  transpose,
  zeros,
} from "../linear/matrix.ts";
import { svd } from "../linear/svd.ts";
import type { Joint } from "./joint.ts";
import { solvePositive } from "./solve.ts";

export interface Diagonal {
  u: Matrix;
  v: Matrix;
  cores: DiagonalCore[];
}

export interface DiagonalCore {
  /** σ, [R] */
  sigma: Float64Array;
  /** ‖U · diag(σ) · Vᵀ‖², which is what Δ's squared norm has more than the error's, for σ is the best. */
  kept: number;
}

const SWEEPS = 40;
/** Sweeps end where one lowers the error by so small a share of what there is. */
const SETTLED = 1e-6;

/**
 * The full cores Cᵢ ≈ P · diag(σᵢ) · Qᵀ by alternating least squares: in turns each of P, Q and all σᵢ is the best for the
 * others, so that the error never grows. Then U·P and V·Q take the place of U and V. Starts at the singular vectors of the
 * cores' sum.
 *
 * Source: CANDECOMP/PARAFAC by ALS on the compressed tensor (Kolda & Bader 2009, sections 3.4 and 5.3); diagonal cores as in
 * Compress then Serve (arXiv 2407.00066), section 3.
 */
export function diagonalised({ u, v, cores }: Joint): Diagonal {
  const start = svd(sumOf(cores, u.cols));
  let [p, q] = [start.u, transpose(start.vt)];
  const [straight, turned] = [joinRows(cores), joinRows(cores.map(transpose))];
  const all = dot(straight.data, straight.data);
  let seen = multiply(straight, q);
  let fitted = bestDiagonals(seen, p, q);
  for (let before = 0, sweep = 0; sweep < SWEEPS; sweep++) {
    p = bestFactor(seen, fitted, q);
    fitted = bestDiagonals(seen, p, q);
    const across = multiply(turned, p);
    q = bestFactor(across, fitted, p);
    fitted = bestDiagonals(across, q, p);
    const kept = fitted.reduce((sum, one) => sum + one.kept, 0);
    if (kept - before <= SETTLED * all) break;
    before = kept;
    seen = multiply(straight, q);
  }
  return { u: multiply(u, p), v: multiply(v, q), cores: fitted };
}

/** The best σ of a matrix for factors that stay as they are. */
export function diagonalFor({ b, a }: Factored, u: Matrix, v: Matrix): DiagonalCore {
  return bestDiagonals(multiply(b, multiply(a, v)), u, v)[0];
}

function sumOf(cores: readonly Matrix[], size: number): Matrix {
  const sum = zeros(size, size);
  for (const { data } of cores) addScaled(sum.data, data, 1);
  return sum;
}

/**
 * σᵢ with the least ‖Cᵢ − P·diag(σᵢ)·Qᵀ‖: (PᵀP ∘ QᵀQ)·σᵢ = diag(PᵀCᵢQ). The same for all: they are solved together.
 *
 * @param seen CᵢQ behind each other
 */
function bestDiagonals(seen: Matrix, p: Matrix, q: Matrix): DiagonalCore[] {
  const [size, count] = [p.cols, seen.rows / p.rows];
  const wanted = zeros(size, count);
  for (let n = 0; n < count; n++) {
    const own = n * p.rows * size;
    for (let i = 0; i < p.rows; i++) {
      for (let k = 0; k < size; k++) wanted.data[k * count + n] += p.data[i * size + k] * seen.data[own + i * size + k];
    }
  }
  const solved = transpose(solvePositive(entrywise(multiplyTransposed(p, p), multiplyTransposed(q, q)), wanted));
  const asked = transpose(wanted);
  return Array.from({ length: count }, (_, n) => {
    const sigma = rowOf(solved, n).slice();
    return { sigma, kept: dot(sigma, rowOf(asked, n)) };
  });
}

/**
 * P of unit columns for the others as they are: P · (QᵀQ ∘ Σσᵢσᵢᵀ) = Σ CᵢQ·diag(σᵢ); its lengths go to σ's next turn.
 *
 * @param seen CᵢQ behind each other
 */
function bestFactor(seen: Matrix, fitted: readonly DiagonalCore[], q: Matrix): Matrix {
  const [rows, size] = [seen.rows / fitted.length, q.cols];
  const wanted = zeros(rows, size);
  for (const [n, { sigma }] of fitted.entries()) {
    const own = rowsOf(seen, n * rows, (n + 1) * rows);
    addScaled(wanted.data, scaleColumns(own, sigma).data, 1);
  }
  const sigmas = joinRows(fitted.map(({ sigma }) => ({ rows: 1, cols: size, data: sigma })));
  const weights = multiplyTransposed(sigmas, sigmas);
  const columns = solvePositive(entrywise(weights, multiplyTransposed(q, q)), transpose(wanted));
  for (let k = 0; k < columns.rows; k++) {
    const column = rowOf(columns, k);
    const length = norm(column);
    if (length > 0) for (let i = 0; i < column.length; i++) column[i] /= length;
  }
  return transpose(columns);
}

function entrywise(x: Matrix, y: Matrix): Matrix {
  return { ...x, data: x.data.map((value, i) => value * y.data[i]) };
}
