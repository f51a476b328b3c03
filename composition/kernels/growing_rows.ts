// Rows that come in blocks and stay in the kernels' memory, for products of all of them with thin matrices.

import { FIRST_BYTE, type Float64Kernels, giveBack, growKernels, takeKernels } from "./float64.ts";
import { multiplyAt, put, taken, upToFour } from "./products.ts";

export class GrowingRows {
  readonly cols: number;
  size = 0;
  readonly #kernels: Float64Kernels;
  readonly #thin: number;
  readonly #out: number;
  readonly #rows: number;

  /** At most `cols` rows; thin matrices have at most `width` columns. */
  constructor(cols: number, width: number) {
    this.cols = cols;
    const bytes = 8 * cols * upToFour(width);
    this.#thin = FIRST_BYTE;
    this.#out = this.#thin + bytes;
    this.#rows = this.#out + bytes;
    this.#kernels = takeKernels(this.#rows);
  }

  /** [count, cols] */
  append(rows: Float64Array): void {
    const at = this.#rows + 8 * this.size * this.cols;
    growKernels(this.#kernels, at + rows.byteLength);
    new Float64Array(this.#kernels.memory.buffer).set(rows, at / 8);
    this.size += rows.length / this.cols;
  }

  /** R · X, [size, n], with X [cols, n] */
  times(x: Float64Array, n: number): Float64Array {
    return this.#product(x, n, [this.size, this.cols], { rowStep: this.cols, columnStep: 1 });
  }

  /** Rᵀ · X, [cols, n], with X [size, n] */
  turnedTimes(x: Float64Array, n: number): Float64Array {
    return this.#product(x, n, [this.cols, this.size], { rowStep: 1, columnStep: this.cols });
  }

  /** A copy, [size, cols]. */
  all(): Float64Array {
    return new Float64Array(this.#kernels.memory.buffer, this.#rows, this.size * this.cols).slice();
  }

  close(): void {
    giveBack(this.#kernels);
  }

  #product(
    x: Float64Array,
    n: number,
    [m, k]: readonly [number, number],
    steps: { rowStep: number; columnStep: number },
  ): Float64Array {
    const floats = new Float64Array(this.#kernels.memory.buffer);
    const wide = upToFour(n);
    put(floats, this.#thin, x, n, wide, k);
    multiplyAt(this.#kernels, { at: this.#rows, ...steps }, this.#thin, this.#out, [m, wide, k]);
    return taken(floats, this.#out, m, n, wide);
  }
}
