// A batch of whole sequences, as training has them: what its kernels read of it.

import type { StepShape } from "../../../shaders/step.ts";
import { stepShape } from "../compute.ts";

export interface CaseBatch {
  shape: StepShape;
  /** [T] (id, position, sequence, -) */
  tokens: Uint32Array<ArrayBuffer>;
  sequences: Uint32Array<ArrayBuffer>;
}

export function caseBatch(lengths: readonly number[], rows = 0): CaseBatch {
  const tokens = lengths.flatMap((length, s) => Array.from({ length }, (_, i) => [0, i, s, 0, i, 0, 0, 0])).flat();
  let first = 0;
  const sequences = lengths.flatMap((length) => {
    const words = [first, length, 0, 0, 0, 0, 0, 0];
    first += length;
    return words;
  });
  return {
    shape: stepShape({ tokens: first, sequences: lengths.length, rows }),
    tokens: Uint32Array.from(tokens),
    sequences: Uint32Array.from(sequences),
  };
}

/** The bits of floats, where a kernel reads them in a struct. */
export function bitsOf(values: readonly number[]): Uint32Array<ArrayBuffer> {
  return new Uint32Array(Float32Array.from(values).buffer);
}

/** Columns [offset, offset + count) of rows that are `stride` values long. */
export function strip(values: ArrayLike<number>, stride: number, offset: number, count: number): Float64Array {
  const rows = values.length / stride;
  return Float64Array.from(
    { length: rows * count },
    (_, i) => values[Math.floor(i / count) * stride + offset + (i % count)],
  );
}
