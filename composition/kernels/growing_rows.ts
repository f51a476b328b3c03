// Rows that come in blocks and stay in the kernels' memory, for products of all of them with thin matrices.

import { FIRST_BYTE, type Float64Kernels, giveBack, growKernels, takeKernels } from "./float64.ts";
import { multiplyAt, put, taken, upToFour } from "./products.ts";

export class GrowingRows {
  readonly cols: number;
  size = 0;
  readonly #kernels: Float64Kernels;
  /** Columns as they are stored: a multiple of four. */
  readonly #wide: number;
  readonly #thin: number;
  readonly #out: number;
  readonly #rows: number;

  /** At most `cols` rows; thin matrices have at most `width` columns. */
  constructor(cols: number, width: number) {
    this.cols = cols;
    this.#wide = upToFour(cols);
    const bytes = 8 * this.#wide * upToFour(width);
    this.#thin = FIRST_BYTE;
    this.#out = this.#thin + bytes;
    this.#rows = this.#out + bytes;
    this.#kernels = takeKernels(this.#rows);
  }

  /** [count, cols] */
  append(rows: Float64Array): void {
    const count = rows.length / this.cols;
    const at = this.#rows + 8 * this.size * this.#wide;
    growKernels(this.#kernels, at + 8 * count * this.#wide);
    put(this.#floats, at, rows, this.cols, this.#wide, count);
    this.size += count;
  }

  /** R · X, [size, n], with X [cols, n] */
  times(x: Float64Array, n: number): Float64Array {
    const wide = upToFour(n);
    put(this.#floats, this.#thin, x, n, wide, this.cols);
    const rows = { at: this.#rows, rowStep: this.#wide, columnStep: 1 };
    multiplyAt(this.#kernels, rows, this.#thin, this.#out, [this.size, wide, this.cols]);
    return taken(this.#floats, this.#out, this.size, n, wide);
  }

  /** Xᵀ · R, [n, cols], with X [size, n]: rows are read as they lie, where Rᵀ · X would leap from one to the next. */
  timesFromLeft(x: Float64Array, n: number): Float64Array {
    this.#floats.set(x.subarray(0, n * this.size), this.#thin / 8);
    const turned = { at: this.#thin, rowStep: 1, columnStep: n };
    multiplyAt(this.#kernels, turned, this.#rows, this.#out, [n, this.#wide, this.size]);
    return taken(this.#floats, this.#out, n, this.cols, this.#wide);
  }

  /** A copy, [size, cols]. */
  all(): Float64Array {
    return taken(this.#floats, this.#rows, this.size, this.cols, this.#wide);
  }

  close(): void {
    giveBack(this.#kernels);
  }

  get #floats(): Float64Array {
    return new Float64Array(this.#kernels.memory.buffer);
  }
}
