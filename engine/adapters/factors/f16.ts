// Factors as f16: A row by row, B four rows together.

import { decodeFloat16, encodeFloat16 } from "../../../files/weights/stored/float16.ts";
import type { FactorFormat, Run } from "./format.ts";
import { eachOfFour } from "./four_rows.ts";

export const F16_FACTORS: FactorFormat = {
  strideA: (cols4) => Math.ceil(cols4 / 2),
  strideB: (rank4) => 2 * rank4,
  putA(run, at, row) {
    const halves = halvesFrom(run, at);
    for (let i = 0; i < row.length; i++) halves[i] = encodeFloat16(row[i]!);
  },
  getA(run, at, row) {
    const halves = halvesFrom(run, at);
    for (let i = 0; i < row.length; i++) row[i] = decodeFloat16(halves[i]!);
  },
  putB(run, at, rows) {
    const halves = halvesFrom(run, at);
    eachOfFour(rows.length, (i, to) => {
      halves[to] = encodeFloat16(rows[i]!);
    });
  },
  getB(run, at, rows) {
    const halves = halvesFrom(run, at);
    eachOfFour(rows.length, (i, from) => {
      rows[i] = decodeFloat16(halves[from]!);
    });
  },
};

function halvesFrom({ buffer, byteOffset }: Run, at: number): Uint16Array {
  return new Uint16Array(buffer, byteOffset + 16 * at);
}
