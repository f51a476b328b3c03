// Factors as int8 in blocks of 32 columns: of A row by row, of B four rows together. GGUF's q8_0, but for scales of f32: those of
// a factor can be so small that halves would round them away.

import type { FactorFormat, Run } from "./format.ts";
import { eachOfFour } from "./four_rows.ts";

const BLOCK = 32;
/** vec4s of scales ahead of A's quants. */
const scalesA = (cols4: number) => Math.ceil(cols4 / BLOCK);
/** vec4s of a whole block of four rows of B: their scales, and a vec4 each four columns. */
const BLOCK_B = 1 + BLOCK / 4;

export const Q8_0_FACTORS: FactorFormat = {
  strideA: (cols4) => scalesA(cols4) + Math.ceil(cols4 / 4),
  strideB: (rank4) => rank4 + Math.ceil((4 * rank4) / BLOCK),
  putA(run, at, row) {
    const quants = bytesFrom(run, at + scalesA(row.length / 4));
    for (let first = 0; first < row.length; first += BLOCK) {
      const end = Math.min(first + BLOCK, row.length);
      const scale = scaleOf(row, first, end);
      run[4 * at + first / BLOCK] = scale;
      for (let i = first; i < end; i++) quants[i] = quantOf(row[i]!, scale);
    }
  },
  getA(run, at, row) {
    const quants = bytesFrom(run, at + scalesA(row.length / 4));
    for (let i = 0; i < row.length; i++) row[i] = run[4 * at + Math.floor(i / BLOCK)]! * quants[i]!;
  },
  putB(run, at, rows) {
    const columns = rows.length / 4;
    for (let row = 0; row < 4; row++) {
      for (let first = 0; first < columns; first += BLOCK) {
        const begin = row * columns;
        const scale = scaleOf(rows, begin + first, begin + Math.min(first + BLOCK, columns));
        run[4 * (at + (first / BLOCK) * BLOCK_B) + row] = scale;
      }
    }
    const bytes = bytesFrom(run, at);
    eachOfFour(rows.length, (i, place) => {
      const { scale, quant } = placeB(at, place);
      bytes[quant] = quantOf(rows[i]!, run[scale]!);
    });
  },
  getB(run, at, rows) {
    const bytes = bytesFrom(run, at);
    eachOfFour(rows.length, (i, place) => {
      const { scale, quant } = placeB(at, place);
      rows[i] = run[scale]! * bytes[quant]!;
    });
  },
};

/** Where the scale (a word of the run) and the quant (a byte from `at` on) of one element lie. */
function placeB(at: number, place: number): { scale: number; quant: number } {
  const block = Math.floor(place / (4 * BLOCK)) * BLOCK_B;
  const row = Math.floor(place / 4) % 4;
  return { scale: 4 * (at + block) + row, quant: 16 * (block + 1) + (place % (4 * BLOCK)) };
}

function bytesFrom({ buffer, byteOffset }: Run, at: number): Int8Array {
  return new Int8Array(buffer, byteOffset + 16 * at);
}

/** As f32 holds it, so that what is read back is what a kernel computes with. */
function scaleOf(values: Float32Array, first: number, end: number): number {
  let most = 0;
  for (let i = first; i < end; i++) most = Math.max(most, Math.abs(values[i]!));
  return Math.fround(most / 127);
}

function quantOf(value: number, scale: number): number {
  return scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(value / scale)));
}
