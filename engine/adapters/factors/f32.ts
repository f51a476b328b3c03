// Factors as f32, row by row.

import type { FactorFormat } from "./format.ts";

export const F32_FACTORS: FactorFormat = {
  strideA: (cols4) => cols4,
  strideB: (rank4) => 4 * rank4,
  putA: (run, at, row) => run.set(row, 4 * at),
  getA: (run, at, row) => row.set(run.subarray(4 * at, 4 * at + row.length)),
  putB: (run, at, rows) => run.set(rows, 4 * at),
  getB: (run, at, rows) => rows.set(run.subarray(4 * at, 4 * at + rows.length)),
};
