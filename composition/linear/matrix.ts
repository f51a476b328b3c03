// Dense float64 matrices, row-major, and the few products that merging needs.

import { type Left, productInto } from "../kernels/products.ts";

/** [rows, cols], row-major. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}

/** Zeros. */
export function zeros(rows: number, cols: number): Matrix {
  return { rows, cols, data: new Float64Array(rows * cols) };
}

/** A copy of `values`, which lie row-major. @throws RangeError where there are not rows × cols of them */
export function matrixOf(rows: number, cols: number, values: ArrayLike<number>): Matrix {
  if (values.length !== rows * cols) throw new RangeError(`${values.length} values for [${rows}, ${cols}]`);
  return { rows, cols, data: Float64Array.from(values) };
}

export function fromRows(rows: readonly (readonly number[])[]): Matrix {
  return matrixOf(rows.length, rows[0]?.length ?? 0, rows.flat());
}

/** Row i as a view: what is written to it is written to the matrix. */
export function rowOf({ cols, data }: Matrix, i: number): Float64Array {
  return data.subarray(i * cols, (i + 1) * cols);
}

/** Rows [first, end) as a view. */
export function rowsOf({ cols, data }: Matrix, first: number, end: number): Matrix {
  return { rows: end - first, cols, data: data.subarray(first * cols, end * cols) };
}

export function transpose({ rows, cols, data }: Matrix): Matrix {
  const turned = zeros(cols, rows);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) turned.data[j * rows + i] = data[i * cols + j];
  return turned;
}

/** Multiplications from which on copying to the kernels and back is worth it. */
const LARGE = 2 ** 13;

/** X·Y. @throws RangeError where the shapes do not fit */
export function multiply(x: Matrix, y: Matrix): Matrix {
  if (x.cols !== y.rows) throw new RangeError(`[${x.rows}, ${x.cols}] times [${y.rows}, ${y.cols}]`);
  return productOf({ data: x.data, rowStep: x.cols, columnStep: 1 }, y, x.rows);
}

/** Xᵀ·Y, [x.cols, y.cols]. @throws RangeError where the shapes do not fit */
export function multiplyTransposed(x: Matrix, y: Matrix): Matrix {
  if (x.rows !== y.rows) throw new RangeError(`[${x.rows}, ${x.cols}] transposed times [${y.rows}, ${y.cols}]`);
  return productOf({ data: x.data, rowStep: 1, columnStep: x.cols }, y, x.cols);
}

/** X·Yᵀ, [x.rows, y.rows]. @throws RangeError where the shapes do not fit */
export function rowProducts(x: Matrix, y: Matrix): Matrix {
  if (x.cols !== y.cols) throw new RangeError(`[${x.rows}, ${x.cols}] times [${y.rows}, ${y.cols}] transposed`);
  return productOf({ data: x.data, rowStep: x.cols, columnStep: 1 }, transpose(y), x.rows);
}

/** [rows, right.cols] */
function productOf(left: Left, right: Matrix, rows: number): Matrix {
  const { rows: inner, cols, data } = right;
  const out = zeros(rows, cols);
  if (rows * inner * cols >= LARGE) productInto(out.data, left, data, [rows, cols, inner]);
  else {
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < inner; k++) {
        const factor = left.data[i * left.rowStep + k * left.columnStep];
        for (let c = 0; c < cols; c++) out.data[i * cols + c] += factor * data[k * cols + c];
      }
    }
  }
  return out;
}

/** Column j times factors[j]. */
export function scaleColumns(x: Matrix, factors: ArrayLike<number>): Matrix {
  const out = zeros(x.rows, x.cols);
  for (let i = 0; i < x.rows; i++) {
    for (let c = 0; c < x.cols; c++) out.data[i * x.cols + c] = x.data[i * x.cols + c] * factors[c];
  }
  return out;
}

/** Row i times factors[i]. */
export function scaleRows(x: Matrix, factors: ArrayLike<number>): Matrix {
  const out = zeros(x.rows, x.cols);
  for (let i = 0; i < x.rows; i++) {
    for (let c = 0; c < x.cols; c++) out.data[i * x.cols + c] = x.data[i * x.cols + c] * factors[i];
  }
  return out;
}

export function scaled(x: Matrix, factor: number): Matrix {
  return { ...x, data: x.data.map((value) => value * factor) };
}

/** The first `count` columns. */
export function firstColumns(x: Matrix, count: number): Matrix {
  const out = zeros(x.rows, count);
  for (let i = 0; i < x.rows; i++) out.data.set(x.data.subarray(i * x.cols, i * x.cols + count), i * count);
  return out;
}

/** The first `count` rows. */
export function firstRows(x: Matrix, count: number): Matrix {
  return { rows: count, cols: x.cols, data: x.data.slice(0, count * x.cols) };
}

/** Matrices of as many rows, beside each other. @throws RangeError for none */
export function joinColumns(parts: readonly Matrix[]): Matrix {
  if (parts.length === 0) throw new RangeError("no matrices to join");
  const out = zeros(
    parts[0].rows,
    parts.reduce((sum, { cols }) => sum + cols, 0),
  );
  let first = 0;
  for (const part of parts) {
    for (let i = 0; i < part.rows; i++) out.data.set(rowOf(part, i), i * out.cols + first);
    first += part.cols;
  }
  return out;
}

/** Matrices of as many columns, below each other. @throws RangeError for none */
export function joinRows(parts: readonly Matrix[]): Matrix {
  if (parts.length === 0) throw new RangeError("no matrices to join");
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const out = zeros(rows, parts[0].cols);
  let at = 0;
  for (const { data } of parts) {
    out.data.set(data, at);
    at += data.length;
  }
  return out;
}

export function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

export function norm(x: Float64Array): number {
  return Math.sqrt(dot(x, x));
}

/** x += factor · y */
export function addScaled(x: Float64Array, y: Float64Array, factor: number): void {
  for (let i = 0; i < x.length; i++) x[i] += factor * y[i];
}
