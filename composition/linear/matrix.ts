// Dense float64 matrices, row-major, and the few products that merging needs.

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

export function transpose({ rows, cols, data }: Matrix): Matrix {
  const turned = zeros(cols, rows);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) turned.data[j * rows + i] = data[i * cols + j];
  return turned;
}

/** X·Y. Zeros of X cost nothing. @throws RangeError where the shapes do not fit */
export function multiply(x: Matrix, y: Matrix): Matrix {
  if (x.cols !== y.rows) throw new RangeError(`[${x.rows}, ${x.cols}] times [${y.rows}, ${y.cols}]`);
  const out = zeros(x.rows, y.cols);
  const sum = new RowSum(y, x.cols);
  for (let i = 0; i < x.rows; i++) {
    sum.take(x.data, i * x.cols, 1);
    sum.addTo(out.data, i * y.cols);
  }
  return out;
}

/** Xᵀ·Y, [x.cols, y.cols]. Zeros of X cost nothing. @throws RangeError where the shapes do not fit */
export function multiplyTransposed(x: Matrix, y: Matrix): Matrix {
  if (x.rows !== y.rows) throw new RangeError(`[${x.rows}, ${x.cols}] transposed times [${y.rows}, ${y.cols}]`);
  const out = zeros(x.cols, y.cols);
  const sum = new RowSum(y, x.rows);
  for (let i = 0; i < x.cols; i++) {
    sum.take(x.data, i, x.cols);
    sum.addTo(out.data, i * y.cols);
  }
  return out;
}

/**
 * Σ factor · row over those rows of a matrix whose factor is not zero. Four rows at a time: what is summed stays in a
 * register, in the order of the rows. Indices in place of views: views of single rows would cost more than the sums.
 */
class RowSum {
  readonly #rows: Matrix;
  readonly #factors: Float64Array;
  readonly #starts: Int32Array;
  #count = 0;

  constructor(rows: Matrix, most: number) {
    this.#rows = rows;
    this.#factors = new Float64Array(most + 3);
    this.#starts = new Int32Array(most + 3);
  }

  /** Row k gets the factor values[first + k · stride]. */
  take(values: Float64Array, first: number, stride: number): void {
    const { rows, cols } = this.#rows;
    const [factors, starts] = [this.#factors, this.#starts];
    let count = 0;
    for (let k = 0; k < rows; k++) {
      const factor = values[first + k * stride];
      if (factor === 0) continue;
      factors[count] = factor;
      starts[count++] = k * cols;
    }
    this.#count = count;
  }

  addTo(out: Float64Array, to: number): void {
    const { cols, data } = this.#rows;
    const [factors, starts] = [this.#factors, this.#starts];
    let k = 0;
    for (; k + 4 <= this.#count; k += 4) {
      const [f0, f1, f2, f3] = [factors[k], factors[k + 1], factors[k + 2], factors[k + 3]];
      const [s0, s1, s2, s3] = [starts[k], starts[k + 1], starts[k + 2], starts[k + 3]];
      for (let c = 0; c < cols; c++) {
        out[to + c] = out[to + c] + f0 * data[s0 + c] + f1 * data[s1 + c] + f2 * data[s2 + c] + f3 * data[s3 + c];
      }
    }
    for (; k < this.#count; k++) {
      const [factor, start] = [factors[k], starts[k]];
      for (let c = 0; c < cols; c++) out[to + c] += factor * data[start + c];
    }
  }
}

/**
 * X·Yᵀ, [x.rows, y.rows]: two rows of X with four rows of Y at a time, so that a value read is used more than once and no
 * sum waits for itself. Each sum is in the order of the columns.
 *
 * @throws RangeError where the shapes do not fit
 */
export function rowProducts(x: Matrix, y: Matrix): Matrix {
  if (x.cols !== y.cols) throw new RangeError(`[${x.rows}, ${x.cols}] times [${y.rows}, ${y.cols}] transposed`);
  const out = zeros(x.rows, y.rows);
  const evenRows = x.rows - (x.rows % 2);
  const fours = y.rows - (y.rows % 4);
  for (let i = 0; i < evenRows; i += 2) for (let j = 0; j < fours; j += 4) tile(x, y, i, j, out);
  for (let i = 0; i < x.rows; i++) {
    for (let j = i < evenRows ? fours : 0; j < y.rows; j++) out.data[i * y.rows + j] = dotAt(x, i, y, j);
  }
  return out;
}

function tile({ cols, data: a }: Matrix, { rows, data: b }: Matrix, i: number, j: number, { data: out }: Matrix): void {
  const [a0, a1] = [i * cols, (i + 1) * cols];
  const [b0, b1, b2, b3] = [j * cols, (j + 1) * cols, (j + 2) * cols, (j + 3) * cols];
  let [s00, s01, s02, s03] = [0, 0, 0, 0];
  let [s10, s11, s12, s13] = [0, 0, 0, 0];
  for (let c = 0; c < cols; c++) {
    const upper = a[a0 + c];
    const lower = a[a1 + c];
    const v0 = b[b0 + c];
    const v1 = b[b1 + c];
    const v2 = b[b2 + c];
    const v3 = b[b3 + c];
    s00 += upper * v0;
    s01 += upper * v1;
    s02 += upper * v2;
    s03 += upper * v3;
    s10 += lower * v0;
    s11 += lower * v1;
    s12 += lower * v2;
    s13 += lower * v3;
  }
  out.set([s00, s01, s02, s03], i * rows + j);
  out.set([s10, s11, s12, s13], (i + 1) * rows + j);
}

function dotAt({ cols, data: a }: Matrix, i: number, { data: b }: Matrix, j: number): number {
  let sum = 0;
  for (let c = 0; c < cols; c++) sum += a[i * cols + c] * b[j * cols + c];
  return sum;
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
