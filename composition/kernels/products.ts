// Products of large matrices by the float64 kernels. Sums are in the order of k, block by block: the same on every machine.

import { FIRST_BYTE, type Float64Kernels, giveBack, places, takeKernels, withKernels } from "./float64.ts";

/** A factor as it lies: element (i, k) of [m, k] at i · rowStep + k · columnStep. */
export interface Left {
  data: Float64Array;
  rowStep: number;
  columnStep: number;
}

/** Bytes of the right factor that a block of k works on: they stay in a core's cache. */
const CACHED = 2 ** 16;
/** Bytes of a band of the left factor and of the result that are copied at a time. */
const BAND = 2 ** 20;

/** out[m, n] = left[m, k] · right[k, n], both sides of the copy in bands of rows. */
export function productInto(
  out: Float64Array,
  left: Left,
  right: Float64Array,
  [m, n, k]: readonly [number, number, number],
): void {
  const wide = upToFour(n);
  const rows = Math.max(4, Math.min(m, Math.floor(BAND / (8 * Math.max(k, wide)))));
  const [b, a, c] = places([k * wide, rows * k, rows * wide]);
  withKernels(c.end, (kernels) => {
    const floats = new Float64Array(kernels.memory.buffer);
    put(floats, b.at, right, n, wide, k);
    for (let first = 0; first < m; first += rows) {
      const count = Math.min(rows, m - first);
      takeRows(floats, a.at, left, first, count, k);
      multiplyAt(kernels, { at: a.at, rowStep: k, columnStep: 1 }, b.at, c.at, [count, wide, k]);
      for (let i = 0; i < count; i++) {
        const from = c.at / 8 + i * wide;
        out.set(floats.subarray(from, from + n), (first + i) * n);
      }
    }
  });
}

/** A matrix that stays in the kernels' memory for many products with thin ones. */
export class Resident {
  readonly rows: number;
  readonly cols: number;
  /** Columns as they are stored: a multiple of four. */
  readonly #wide: number;
  readonly #kernels: Float64Kernels;
  readonly #x = FIRST_BYTE;
  readonly #right: number;
  readonly #out: number;
  readonly #width: number;

  /** @param width columns of the widest thin matrix */
  constructor({ rows, cols, data }: { rows: number; cols: number; data: Float64Array }, width: number) {
    this.rows = rows;
    this.cols = cols;
    this.#wide = upToFour(cols);
    this.#width = upToFour(width);
    const longer = Math.max(rows, this.#wide) * this.#width;
    const [, right, out] = places([rows * this.#wide, longer, longer]);
    this.#right = right.at;
    this.#out = out.at;
    this.#kernels = takeKernels(out.end);
    put(new Float64Array(this.#kernels.memory.buffer), this.#x, data, cols, this.#wide, rows);
  }

  /** X · V, [rows, n], with V [cols, n] */
  times(v: Float64Array, n: number): Float64Array {
    const floats = new Float64Array(this.#kernels.memory.buffer);
    const wide = upToFour(n);
    put(floats, this.#right, v, n, wide, this.cols);
    const x = { at: this.#x, rowStep: this.#wide, columnStep: 1 };
    multiplyAt(this.#kernels, x, this.#right, this.#out, [this.rows, wide, this.cols]);
    return taken(floats, this.#out, this.rows, n, wide);
  }

  /** Uᵀ · X, [n, cols], with U [rows, n] */
  timesFromLeft(u: Float64Array, n: number): Float64Array {
    const floats = new Float64Array(this.#kernels.memory.buffer);
    floats.set(u.subarray(0, n * this.rows), this.#right / 8);
    const turned = { at: this.#right, rowStep: 1, columnStep: n };
    multiplyAt(this.#kernels, turned, this.#x, this.#out, [n, this.#wide, this.rows]);
    return taken(floats, this.#out, n, this.cols, this.#wide);
  }

  /** Lets the memory go to the next user. */
  close(): void {
    giveBack(this.#kernels);
  }
}

/** Blocks of k, so that what the right factor has of them is read from the cache. */
export function multiplyAt(
  kernels: Float64Kernels,
  { at, rowStep, columnStep }: { at: number; rowStep: number; columnStep: number },
  b: number,
  c: number,
  [m, n, k]: readonly [number, number, number],
): void {
  const block = Math.max(16, Math.floor(CACHED / (8 * n)));
  for (let first = 0; first < k; first += block) {
    const [count, fresh] = [Math.min(block, k - first), first === 0 ? 1 : 0];
    const a = at + 8 * first * columnStep;
    kernels.product(a, 8 * rowStep, 8 * columnStep, b + 8 * first * n, c, m, n, count, fresh);
  }
}

export function upToFour(n: number): number {
  return Math.ceil(n / 4) * 4;
}

/** Rows of n numbers, with zeros up to `wide`. */
export function put(
  floats: Float64Array,
  at: number,
  rows: Float64Array,
  n: number,
  wide: number,
  count: number,
): void {
  const first = at / 8;
  if (wide === n) {
    floats.set(rows.subarray(0, count * n), first);
    return;
  }
  for (let i = 0; i < count; i++) {
    floats.set(rows.subarray(i * n, (i + 1) * n), first + i * wide);
    floats.fill(0, first + i * wide + n, first + (i + 1) * wide);
  }
}

function takeRows(
  floats: Float64Array,
  at: number,
  { data, rowStep, columnStep }: Left,
  first: number,
  count: number,
  k: number,
): void {
  const to = at / 8;
  if (columnStep === 1) {
    for (let i = 0; i < count; i++) {
      const from = (first + i) * rowStep;
      floats.set(data.subarray(from, from + k), to + i * k);
    }
    return;
  }
  for (let l = 0; l < k; l++) {
    const from = l * columnStep + first * rowStep;
    for (let i = 0; i < count; i++) floats[to + i * k + l] = data[from + i * rowStep];
  }
}

export function taken(floats: Float64Array, at: number, rows: number, n: number, wide: number): Float64Array {
  const first = at / 8;
  if (wide === n) return floats.slice(first, first + rows * n);
  const out = new Float64Array(rows * n);
  for (let i = 0; i < rows; i++) out.set(floats.subarray(first + i * wide, first + i * wide + n), i * n);
  return out;
}
