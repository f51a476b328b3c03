// Factors as f32: A row by row, B four rows together.

import type { FactorFormat } from "./format.ts";
import { eachOfFour } from "./four_rows.ts";

export const F32_FACTORS: FactorFormat = {
  strideA: (cols4) => cols4,
  strideB: (rank4) => 4 * rank4,
  putA: (run, at, row) => run.set(row, 4 * at),
  getA: (run, at, row) => row.set(run.subarray(4 * at, 4 * at + row.length)),
  putB: (run, at, rows) =>
    eachOfFour(rows.length, (i, to) => {
      run[4 * at + to] = rows[i]!;
    }),
  getB: (run, at, rows) =>
    eachOfFour(rows.length, (i, from) => {
      rows[i] = run[4 * at + from]!;
    }),
};
