// Diagonal cores: Δᵢ ≈ U · diag(σᵢ) · Vᵀ with U and V of unit columns, which need not be orthogonal.

import type { Factored } from "../linear/factored.ts";
import {
  addScaled,
  dot,
  type Matrix,
  multiply,
  multiplyTransposed,
  norm,
  rowOf,
  rowProducts,
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
  const size = u.cols;
  const start = svd(sumOf(cores, size));
  let [p, q] = [start.u, transpose(start.vt)];
  const fit = () => cores.map((core) => bestDiagonal(multiply(core, q), p, q));
  const all = cores.reduce((sum, { data }) => sum + dot(data, data), 0);
  let fitted = fit();
  for (let before = 0, sweep = 0; sweep < SWEEPS; sweep++) {
    p = bestFactor(cores, fitted, q);
    fitted = fit();
    q = bestFactor(cores.map(transpose), fitted, p);
    fitted = fit();
    const kept = fitted.reduce((sum, one) => sum + one.kept, 0);
    if (kept - before <= SETTLED * all) break;
    before = kept;
  }
  return { u: multiply(u, p), v: multiply(v, q), cores: fitted };
}

/** The best σ of a matrix for factors that stay as they are. */
export function diagonalFor({ b, a }: Factored, u: Matrix, v: Matrix): DiagonalCore {
  return bestDiagonal(multiply(b, multiply(a, v)), u, v);
}

function sumOf(cores: readonly Matrix[], size: number): Matrix {
  const sum = zeros(size, size);
  for (const { data } of cores) addScaled(sum.data, data, 1);
  return sum;
}

/** σ with the least ‖C − P·diag(σ)·Qᵀ‖: (PᵀP ∘ QᵀQ)·σ = diag(PᵀCQ). @param seen C·Q */
function bestDiagonal(seen: Matrix, p: Matrix, q: Matrix): DiagonalCore {
  const wanted = zeros(p.cols, 1);
  for (let i = 0; i < p.rows; i++) {
    for (let k = 0; k < p.cols; k++) wanted.data[k] += p.data[i * p.cols + k] * seen.data[i * p.cols + k];
  }
  const sigma = solvePositive(entrywise(multiplyTransposed(p, p), multiplyTransposed(q, q)), wanted).data;
  return { sigma, kept: dot(sigma, wanted.data) };
}

/** P of unit columns for the others as they are: P · (QᵀQ ∘ Σσᵢσᵢᵀ) = Σ CᵢQ·diag(σᵢ), then lengths go to σ's next turn. */
function bestFactor(cores: readonly Matrix[], fitted: readonly DiagonalCore[], q: Matrix): Matrix {
  const wanted = zeros(q.rows, q.cols);
  const weights = zeros(q.cols, q.cols);
  for (const [i, core] of cores.entries()) {
    const { sigma } = fitted[i];
    addScaled(wanted.data, scaleColumns(multiply(core, q), sigma).data, 1);
    const column: Matrix = { rows: q.cols, cols: 1, data: sigma };
    addScaled(weights.data, rowProducts(column, column).data, 1);
  }
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
