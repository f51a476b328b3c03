// Whole factors into a run and out of it, by any format: A row by row, B four rows at a time.

import type { FactorFormat, Run } from "./format.ts";

/** A [rank, in] from `at` on. */
export function packA(run: Run, at: number, { values, rank }: Factor, format: FactorFormat): void {
  const cols = values.length / rank;
  const stride = format.strideA(cols / 4);
  for (let row = 0; row < rank; row++)
    format.putA(run, at + row * stride, values.subarray(row * cols, (row + 1) * cols));
}

/** B [out, rank] times `scale` from `at` on, four rows at a time, padded with zeros to whole vec4s. */
export function packB(run: Run, at: number, { values, rank, scale = 1 }: Factor, format: FactorFormat): void {
  const rank4 = Math.ceil(rank / 4);
  const four = new Float32Array(16 * rank4);
  for (let row = 0; row < values.length / rank; row++) {
    for (let r = 0; r < rank; r++) four[(row % 4) * 4 * rank4 + r] = scale * values[row * rank + r]!;
    if (row % 4 === 3) format.putB(run, at + ((row - 3) / 4) * format.strideB(rank4), four);
  }
}

/** A matrix of `rank` rows or columns. */
export interface Factor {
  values: Float32Array;
  rank: number;
  scale?: number;
}

/** A [rank, cols] from `at` on. */
export function unpackA(run: Run, at: number, rank: number, cols: number, format: FactorFormat): Float32Array {
  const a = new Float32Array(rank * cols);
  const stride = format.strideA(cols / 4);
  for (let row = 0; row < rank; row++) format.getA(run, at + row * stride, a.subarray(row * cols, (row + 1) * cols));
  return a;
}

/** B [out, rank], whose vec4s are [at, end). */
export function unpackB(run: Run, [at, end]: [number, number], rank: number, format: FactorFormat): Float32Array {
  if (rank === 0) return new Float32Array(0);
  const rank4 = Math.ceil(rank / 4);
  const stride = format.strideB(rank4);
  const b = new Float32Array((4 * (end - at) * rank) / stride);
  const four = new Float32Array(16 * rank4);
  for (let group = 0; group < (end - at) / stride; group++) {
    format.getB(run, at + group * stride, four);
    for (let row = 0; row < 4; row++) {
      b.set(four.subarray(4 * row * rank4, 4 * row * rank4 + rank), (4 * group + row) * rank);
    }
  }
  return b;
}
