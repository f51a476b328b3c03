// Deltas of one matrix beside each other, known by the scalar products of all their singular vectors: R × R numbers for
// R = Σ rank, from which every measure of a pair and of a set follows.

import { joinColumns, joinRows, type Matrix, multiply, multiplyTransposed, rowProducts } from "../linear/matrix.ts";
import { type Svd, svd } from "../linear/svd.ts";

export interface Gram {
  /** Singular values of all deltas, one after another. */
  s: Float64Array;
  /** UᵀU and VᵀV of all of them, [R, R]. */
  left: Matrix;
  right: Matrix;
  /** Where each delta's triples begin, and where the last ones end. */
  bounds: number[];
}

/** Of deltas without their zero singular values. */
export function gramOf(parts: readonly Svd[]): Gram {
  const u = joinColumns(parts.map((part) => part.u));
  const vt = joinRows(parts.map((part) => part.vt));
  const bounds = [0];
  for (const { s } of parts) bounds.push(bounds.at(-1)! + s.length);
  return {
    s: Float64Array.from(parts.flatMap((part) => [...part.s])),
    left: multiplyTransposed(u, u),
    right: rowProducts(vt, vt),
    bounds,
  };
}

export interface PairMeasures {
  /** ⟨X, Y⟩ / (‖X‖·‖Y‖): −1 where they undo each other. */
  cosine: number;
  /** ‖smaller‖ / ‖larger‖. */
  normRatio: number;
  /** Cosines of the principal angles between what they read (right singular vectors), descending. */
  inputAngles: number[];
  /** The same of what they write (left singular vectors). */
  outputAngles: number[];
  /** ‖Y·Vₓ‖_F / ‖X‖_F: what Y adds where X reads, beside what X does; above 1 X is drowned there. */
  drownsFirst: number;
  /** ‖X·V_y‖_F / ‖Y‖_F. */
  drownsSecond: number;
}

/** Of deltas x and y. Zero deltas have cosine, ratio and angles of 0, and drown nothing. */
export function pairMeasures(gram: Gram, x: number, y: number): PairMeasures {
  const [sx, sy] = [valuesOf(gram, x), valuesOf(gram, y)];
  const [left, right] = [block(gram, gram.left, x, y), block(gram, gram.right, x, y)];
  const [lengthX, lengthY] = [Math.hypot(...sx), Math.hypot(...sy)];
  if (lengthX === 0 || lengthY === 0) {
    return { cosine: 0, normRatio: 0, inputAngles: [], outputAngles: [], drownsFirst: 0, drownsSecond: 0 };
  }
  let [product, yWhereX, xWhereY] = [0, 0, 0];
  for (let i = 0; i < sx.length; i++) {
    for (let j = 0; j < sy.length; j++) {
      const shared = right.data[i * right.cols + j];
      product += sx[i] * sy[j] * left.data[i * left.cols + j] * shared;
      yWhereX += (sy[j] * shared) ** 2;
      xWhereY += (sx[i] * shared) ** 2;
    }
  }
  return {
    cosine: product / (lengthX * lengthY),
    normRatio: Math.min(lengthX, lengthY) / Math.max(lengthX, lengthY),
    inputAngles: cosines(right),
    outputAngles: cosines(left),
    drownsFirst: Math.sqrt(yWhereX) / lengthX,
    drownsSecond: Math.sqrt(xWhereY) / lengthY,
  };
}

/**
 * Singular-task interference ‖(UᵀU − I)·Σ·(VᵀV − I)‖₁ of the named deltas' triples side by side, entry by entry: 0 where
 * no two deltas share a direction on both sides (Gargiulo et al. 2025, Task Singular Vectors, 3.3).
 */
export function interference({ s, left, right, bounds }: Gram, deltas: readonly number[]): number {
  const kept = deltas.flatMap((k) => range(bounds[k], bounds[k + 1]));
  const without = (x: Matrix, factor: (j: number) => number): Matrix => ({
    rows: kept.length,
    cols: kept.length,
    data: Float64Array.from(
      kept.flatMap((i) => kept.map((j) => (x.data[i * x.cols + j] - (i === j ? 1 : 0)) * factor(j))),
    ),
  });
  const product = multiply(
    without(left, (j) => s[j]),
    without(right, () => 1),
  );
  return product.data.reduce((sum, value) => sum + Math.abs(value), 0);
}

/** Σσ of the named deltas: what interference is measured against. */
export function nuclearNorm({ s, bounds }: Gram, deltas: readonly number[]): number {
  return deltas.reduce((sum, k) => s.subarray(bounds[k], bounds[k + 1]).reduce((all, value) => all + value, sum), 0);
}

/** Singular values, which rounding may not carry beyond 1 (Björck & Golub 1973). */
function cosines(products: Matrix): number[] {
  if (products.data.length === 0) return [];
  return Array.from(svd(products).s, (value) => Math.min(1, value));
}

function valuesOf({ s, bounds }: Gram, k: number): Float64Array {
  return s.subarray(bounds[k], bounds[k + 1]);
}

function block({ bounds }: Gram, { cols, data }: Matrix, x: number, y: number): Matrix {
  const [rows, columns] = [range(bounds[x], bounds[x + 1]), range(bounds[y], bounds[y + 1])];
  const values = rows.flatMap((i) => columns.map((j) => data[i * cols + j]));
  return { rows: rows.length, cols: columns.length, data: Float64Array.from(values) };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
