// Joint diagonalisation: one pair of orthonormal bases for many low-rank matrices, and a small core for each of them.

import type { Factored } from "../linear/factored.ts";
import {
  firstColumns,
  joinColumns,
  type Matrix,
  multiply,
  multiplyTransposed,
  transpose,
  zeros,
} from "../linear/matrix.ts";
import { qr } from "../linear/qr.ts";
import { svd } from "../linear/svd.ts";

/** Δᵢ ≈ U · coreᵢ · Vᵀ with U [out, R] and V [in, R] of orthonormal columns. */
export interface Joint {
  u: Matrix;
  v: Matrix;
  /** [R, R] each. */
  cores: Matrix[];
}

export interface JointOptions {
  /** R; less where the matrices together have a lower rank. */
  rank: number;
  /** Alternations of U and V. Default 10. */
  iterations?: number;
}

const ITERATIONS = 10;
/** Columns of [ΔᵢV] up to which its singular vectors are computed exactly. */
const EXACT = 16;
/** Steps of orthogonal iteration that stand for an exact decomposition. */
const STEPS = 3;

/**
 * Minimises Σ‖Δᵢ − U coreᵢ Vᵀ‖²: in turns U becomes the top-R left singular vectors of [ΔᵢV] and V those of [ΔᵢᵀU], both
 * through the factors alone; then coreᵢ = UᵀΔᵢV. The error never grows from one turn to the next: where there are many
 * matrices, the singular vectors are approached by orthogonal iteration from those before, which never lowers what they
 * capture either. With R at least the sum of all ranks it is zero.
 *
 * Source: Gabrielsson et al., Compress then Serve (arXiv 2407.00066), section 3.
 *
 * @throws RangeError for no matrices
 */
export function jointBases(deltas: readonly Factored[], { rank, iterations = ITERATIONS }: JointOptions): Joint {
  if (deltas.length === 0) throw new RangeError("no matrices to compress");
  const turned = deltas.map(transposed);
  const [out, inp] = [deltas[0].b.rows, deltas[0].a.cols];
  const total = deltas.reduce((sum, { a }) => sum + a.rows, 0);
  const size = Math.min(rank, total, out, inp);
  // V starts in what the rows span: one step of orthogonal iteration on ΣΔᵢᵀΔᵢ from a fixed start.
  let v = qr(throughAll(turned, rowsThrough(deltas, pseudoRandom(inp, size)))).q;
  let u: Matrix | undefined;
  for (let i = 0; i < iterations; i++) {
    u = leading(deltas, v, u, size);
    v = leading(turned, u, v, size);
  }
  const left = u ?? leading(deltas, v, undefined, size);
  return { u: left, v, cores: deltas.map((delta) => coreOf(delta, left, v)) };
}

/** UᵀΔV, [R, R]: the best core for these bases. */
export function coreOf({ b, a }: Factored, u: Matrix, v: Matrix): Matrix {
  return multiply(multiplyTransposed(u, b), multiply(a, v));
}

/** ‖Δ‖²_F − ‖UᵀΔV‖²_F, which is ‖Δ − U(UᵀΔV)Vᵀ‖²_F. Rounding may not make it negative. */
export function squaredError(squared: number, core: Matrix): number {
  return Math.max(
    0,
    core.data.reduce((rest, value) => rest - value * value, squared),
  );
}

/** Top-`size` left singular vectors of [ΔᵢV], or what some steps from `before` come to where that is large. */
function leading(deltas: readonly Factored[], v: Matrix, before: Matrix | undefined, size: number): Matrix {
  const inner = deltas.map(({ a }) => multiply(a, v));
  if (deltas.length * size <= EXACT) {
    const joined = joinColumns(deltas.map(({ b }, i) => multiply(b, inner[i])));
    return firstColumns(svd(joined).u, size);
  }
  let u = before ?? qr(throughAll(deltas, inner)).q;
  for (let step = 0; step < STEPS; step++) {
    // Σ Bᵢ (AᵢV)(AᵢV)ᵀ Bᵢᵀ U, from the right.
    const through = deltas.map(({ b }, i) =>
      multiply(inner[i], multiplyTransposed(inner[i], multiplyTransposed(b, u))),
    );
    u = qr(throughAll(deltas, through)).q;
  }
  return u;
}

/** BᵢᵀBᵢ(AᵢX) of each matrix: Aᵢᵀ of it is ΔᵢᵀΔᵢX. */
function rowsThrough(deltas: readonly Factored[], x: Matrix): Matrix[] {
  return deltas.map(({ a, b }) => multiply(multiplyTransposed(b, b), multiply(a, x)));
}

/** Σ Bᵢ·Yᵢ */
function throughAll(deltas: readonly Factored[], parts: readonly Matrix[]): Matrix {
  const sum = zeros(deltas[0].b.rows, parts[0].cols);
  for (const [i, { b }] of deltas.entries()) {
    const part = multiply(b, parts[i]);
    for (let k = 0; k < sum.data.length; k++) sum.data[k] += part.data[k];
  }
  return sum;
}

function transposed({ b, a }: Factored): Factored {
  return { b: transpose(a), a: transpose(b) };
}

/** The same numbers every time, without structure (a linear congruential generator). */
function pseudoRandom(rows: number, cols: number): Matrix {
  let state = 1;
  const data = Float64Array.from({ length: rows * cols }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return { rows, cols, data };
}

/** The core's product with both bases: what stands for Δ, as two factors. */
export function expanded({ u, v }: Pick<Joint, "u" | "v">, core: Matrix): Factored {
  return { b: multiply(u, core), a: transpose(v) };
}
