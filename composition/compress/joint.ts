// Joint diagonalisation: one pair of orthonormal bases for many low-rank matrices, and a small core for each of them.

import { symmetricEigen } from "../linear/eigen.ts";
import type { Factored } from "../linear/factored.ts";
import {
  dot,
  firstColumns,
  joinColumns,
  type Matrix,
  multiply,
  multiplyTransposed,
  rowProducts,
  transpose,
  zeros,
} from "../linear/matrix.ts";
import { qr } from "../linear/qr.ts";
import { svd } from "../linear/svd.ts";
import { Stacked } from "./stacked.ts";

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
/** Steps of orthogonal iteration for the first U; each later turn goes on from the one before by a single one. */
const FIRST_STEPS = 3;
/** Turns end where one captures so small a share more than the one before. */
const SETTLED = 1e-6;

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
  const [out, inp] = [deltas[0].b.rows, deltas[0].a.cols];
  const total = deltas.reduce((sum, { a }) => sum + a.rows, 0);
  const size = Math.min(rank, total, out, inp);
  const stacked = new Stacked(deltas, size);
  try {
    const { u, v } = alternated(stacked, startOf(deltas, stacked, size), { size, iterations });
    const axes = principal({ u, v, cores: deltas.map((delta) => coreOf(delta, u, v)) });
    return { ...axes, cores: deltas.map((delta) => coreOf(delta, axes.u, axes.v)) };
  } finally {
    stacked.close();
  }
}

/**
 * The same product in its principal axes: ΣCᵢCᵢᵀ and ΣCᵢᵀCᵢ are diagonal, the largest first. Which bases of the two spaces the
 * alternation ends in is chance, and these round best where factors are held in few bits.
 */
function principal({ u, v, cores }: Joint): Pick<Joint, "u" | "v"> {
  const byRow = joinColumns(cores);
  const byColumn = joinColumns(cores.map(transpose));
  const left = transpose(symmetricEigen(rowProducts(byRow, byRow)).vectors);
  const right = transpose(symmetricEigen(rowProducts(byColumn, byColumn)).vectors);
  return { u: multiply(u, left), v: multiply(v, right) };
}

/** V in what the rows span: one step of orthogonal iteration on ΣΔᵢᵀΔᵢ from a fixed start. */
function startOf(deltas: readonly Factored[], stacked: Stacked, size: number): Matrix {
  const rows = stacked.fromRight(pseudoRandom(deltas[0].a.cols, size));
  return qr(stacked.toRight(rows.map((x, i) => multiply(multiplyTransposed(deltas[i].b, deltas[i].b), x)))).q;
}

function alternated(
  stacked: Stacked,
  start: Matrix,
  { size, iterations }: { size: number; iterations: number },
): { u: Matrix; v: Matrix } {
  const left: Side = { into: (x) => stacked.fromLeft(x), outOf: (parts) => stacked.toLeft(parts), size };
  const right: Side = { into: (x) => stacked.fromRight(x), outOf: (parts) => stacked.toRight(parts), size };
  let [v, throughV] = [start, right.into(start)];
  let [u, throughU]: [Matrix | undefined, Matrix[] | undefined] = [undefined, undefined];
  let before = 0;
  for (let turn = 1; ; turn++) {
    u = leading(left, throughV, u, throughU).basis;
    throughU = left.into(u);
    const other = leading(right, throughU, v, throughV);
    v = other.basis;
    if (turn >= iterations || other.captured - before <= SETTLED * other.captured) return { u, v };
    before = other.captured;
    throughV = right.into(v);
  }
}

/** One side's factors Fᵢ of all matrices: FᵢᵀX of each, and Σ FᵢYᵢ. */
interface Side {
  into: (x: Matrix) => Matrix[];
  outOf: (parts: readonly Matrix[]) => Matrix;
  size: number;
}

/**
 * Top-`size` left singular vectors of [FᵢWᵢ], or where that is large what a step of orthogonal iteration makes of those from
 * the turn before: FᵀX of them is known by then. `captured` is Σ‖beforeᵀFᵢWᵢ‖², 0 where nothing was before.
 */
function leading(
  { into, outOf, size }: Side,
  inner: readonly Matrix[],
  before: Matrix | undefined,
  throughBefore: readonly Matrix[] | undefined,
): { basis: Matrix; captured: number } {
  // (WᵢWᵢᵀ) FᵢᵀX of all matrices, from the right.
  const weighted = (parts: readonly Matrix[]) =>
    parts.map((part, i) => multiply(rowProducts(inner[i], inner[i]), part));
  const first = before && (throughBefore ?? into(before));
  const next = first && weighted(first);
  const captured = (first ?? []).reduce((sum, part, i) => sum + dot(part.data, next![i].data), 0);
  if (inner.length * size <= EXACT) {
    return { basis: firstColumns(svd(joinColumns(inner.map((w, i) => alone(outOf, inner, w, i)))).u, size), captured };
  }
  if (next !== undefined) return { basis: qr(outOf(next)).q, captured };
  let basis = qr(outOf(inner)).q;
  for (let step = 0; step < FIRST_STEPS; step++) basis = qr(outOf(weighted(into(basis)))).q;
  return { basis, captured };
}

/** FᵢWᵢ of one matrix: the others' parts are zero. */
function alone(outOf: Side["outOf"], all: readonly Matrix[], own: Matrix, i: number): Matrix {
  return outOf(all.map((part, k) => (k === i ? own : zeros(part.rows, part.cols))));
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
