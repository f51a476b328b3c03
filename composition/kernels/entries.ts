// Long lists as their users have them: whole, or the product of two thin factors, made in the kernels' memory a band at a time.

import type { Float64Kernels } from "./float64.ts";
import { multiplyAt, productInto, put } from "./products.ts";

export interface Entries {
  readonly count: number;
  /** A band begins and ends at a multiple of so many. */
  readonly unit: number;
  /** Bytes of the kernels' memory that it keeps beside its bands. */
  readonly bytes: number;
  /** Once, before bands are loaded: `at` is where its bytes begin. */
  settle(kernels: Float64Kernels, at: number): void;
  /** Writes entries [first, first + count) from `to` on. */
  load(kernels: Float64Kernels, at: number, to: number, first: number, count: number): void;
}

export function listed(values: Float64Array): Entries {
  return {
    count: values.length,
    unit: 1,
    bytes: 0,
    settle: () => undefined,
    load: ({ memory }, _, to, first, count) =>
      new Float64Array(memory.buffer).set(values.subarray(first, first + count), to / 8),
  };
}

interface Thin {
  rows: number;
  cols: number;
  data: Float64Array;
}

/** The entries of B·A, row by row. */
export function multiplied({ b, a }: { b: Thin; a: Thin }): Entries {
  const [rank, cols] = [a.rows, a.cols];
  const count = b.rows * cols;
  if (cols % 4 !== 0) {
    const out = new Float64Array(count);
    productInto(out, { data: b.data, rowStep: rank, columnStep: 1 }, a.data, [b.rows, cols, rank]);
    return listed(out);
  }
  const left = 8 * rank * cols;
  return {
    count,
    unit: cols,
    bytes: left + 8 * b.data.length,
    settle: ({ memory }, at) => {
      const floats = new Float64Array(memory.buffer);
      put(floats, at, a.data, cols, cols, rank);
      floats.set(b.data, (at + left) / 8);
    },
    load: (kernels, at, to, first, wanted) => {
      const factor = { at: at + left + 8 * (first / cols) * rank, rowStep: rank, columnStep: 1 };
      multiplyAt(kernels, factor, at, to, [wanted / cols, cols, rank]);
    },
  };
}
