// Matrices known by two thin factors: sums, products and decompositions that never form what they stand for.

import {
  dot,
  firstColumns,
  firstRows,
  joinColumns,
  joinRows,
  type Matrix,
  multiply,
  multiplyTransposed,
  rowProducts,
  scaleColumns,
  scaled,
  transpose,
} from "./matrix.ts";
import { qr } from "./qr.ts";
import { type Svd, svd } from "./svd.ts";

/** Δ = B·A: B [out, rank], A [rank, in]. */
export interface Factored {
  b: Matrix;
  a: Matrix;
}

/** Σ weightsᵢ·Δᵢ, exactly, with rank Σ rankᵢ. @throws RangeError for none */
export function weightedSum(deltas: readonly Factored[], weights: readonly number[]): Factored {
  return {
    b: joinColumns(deltas.map(({ b }, i) => (weights[i] === 1 ? b : scaled(b, weights[i])))),
    a: joinRows(deltas.map(({ a }) => a)),
  };
}

/** The matrix itself, [out, in]. */
export function product({ b, a }: Factored): Matrix {
  return multiply(b, a);
}

/**
 * SVD of B·A with k = min(out, in, rank) triples: QR of both factors, SVD of the core of size rank. O((out + in)·rank²)
 * time, nothing of size out × in.
 */
export function factoredSvd({ b, a }: Factored): Svd {
  const left = qr(b);
  const right = qr(transpose(a));
  const core = svd(rowProducts(left.r, right.r));
  return { u: multiply(left.q, core.u), s: core.s, vt: rowProducts(core.vt, right.q) };
}

/** U·diag(s) and Vᵀ of the `rank` largest singular values: the nearest matrix of that rank (Eckart & Young 1936). */
export function truncated({ u, s, vt }: Svd, rank: number): Factored {
  const kept = Math.min(rank, s.length);
  return { b: scaleColumns(firstColumns(u, kept), s), a: firstRows(vt, kept) };
}

/** ⟨X, Y⟩ = tr((BₓᵀB_y)(A_yAₓᵀ)): the sum of the products of all entries, from products of the factors. */
export function inner(x: Factored, y: Factored): number {
  return dot(multiplyTransposed(x.b, y.b).data, rowProducts(x.a, y.a).data);
}

/** ‖Δ‖²_F. Rounding may not make it negative. */
export function squaredNorm(x: Factored): number {
  return Math.max(0, inner(x, x));
}
