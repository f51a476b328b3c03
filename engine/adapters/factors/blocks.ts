// Factors as whole numbers in blocks of 32 columns with a scale each: of A row by row, of B four rows together. GGUF's q8_0 and
// q4_0, but for scales of f32: those of a factor can be so small that halves would round them away.

import type { FactorFormat, Run } from "./format.ts";
import { eachOfFour } from "./four_rows.ts";

const BLOCK = 32;

/** How a block's numbers are made and kept. */
interface Quants {
  bits: 8 | 4;
  /** Of the value that is largest in magnitude. */
  scaleOf(largest: number): number;
  /** Puts value ÷ scale, rounded, at a place among the numbers that begin at a vec4. */
  put(run: Run, at: number, place: number, value: number): void;
  get(run: Run, at: number, place: number): number;
}

/** The largest is 127. */
const BYTES: Quants = {
  bits: 8,
  scaleOf: (largest) => Math.abs(largest) / 127,
  put: (run, at, place, value) => {
    bytesFrom(run, at)[place] = Math.max(-127, Math.min(127, Math.round(value)));
  },
  get: (run, at, place) => bytesFrom(run, at)[place]!,
};

/** The largest is -8, whatever its sign; a byte has two, the first in its low bits, each 8 more than it is worth. */
const NIBBLES: Quants = {
  bits: 4,
  scaleOf: (largest) => largest / -8,
  put: (run, at, place, value) => {
    const bytes = bytesFrom(run, at);
    const nibble = Math.max(0, Math.min(15, Math.round(value) + 8));
    const kept = bytes[place >> 1]! & (place % 2 === 0 ? 0xf0 : 0x0f);
    bytes[place >> 1] = kept | (nibble << (place % 2 === 0 ? 0 : 4));
  },
  get: (run, at, place) => ((bytesFrom(run, at)[place >> 1]! >> (place % 2 === 0 ? 0 : 4)) & 15) - 8,
};

export const Q8_0_FACTORS = blockFactors(BYTES);
export const Q4_0_FACTORS = blockFactors(NIBBLES);

function blockFactors({ bits, scaleOf, put, get }: Quants): FactorFormat {
  /** vec4s of so many numbers. */
  const vec4sOf = (count: number) => Math.ceil((count * bits) / 128);
  /** vec4s of scales ahead of a row of A. */
  const scalesA = (columns: number) => Math.ceil(columns / BLOCK / 4);
  /** vec4s of a whole block of four rows of B: their scales, and their numbers. */
  const blockB = 1 + vec4sOf(4 * BLOCK);
  /** Where an element of four rows lies: its scale, a word of the run; its number, in the block that begins at a vec4. */
  const placeB = (at: number, place: number) => {
    const block = at + Math.floor(place / (4 * BLOCK)) * blockB;
    return { scale: 4 * block + (place % 4), from: block + 1, place: place % (4 * BLOCK) };
  };
  return {
    strideA: (cols4) => scalesA(4 * cols4) + vec4sOf(4 * cols4),
    strideB: (rank4) => Math.ceil((4 * rank4) / BLOCK) + vec4sOf(16 * rank4),
    putA(run, at, row) {
      const from = at + scalesA(row.length);
      for (let first = 0; first < row.length; first += BLOCK) {
        const end = Math.min(first + BLOCK, row.length);
        const scale = scaleIn(row, first, end);
        run[4 * at + first / BLOCK] = scale;
        for (let i = first; i < end; i++) put(run, from, i, inScales(row[i]!, scale));
      }
    },
    getA(run, at, row) {
      const from = at + scalesA(row.length);
      for (let i = 0; i < row.length; i++) row[i] = run[4 * at + Math.floor(i / BLOCK)]! * get(run, from, i);
    },
    putB(run, at, rows) {
      const columns = rows.length / 4;
      for (let row = 0; row < 4; row++) {
        for (let first = 0; first < columns; first += BLOCK) {
          const begin = row * columns;
          const scale = scaleIn(rows, begin + first, begin + Math.min(first + BLOCK, columns));
          run[4 * (at + (first / BLOCK) * blockB) + row] = scale;
        }
      }
      eachOfFour(rows.length, (i, place) => {
        const lies = placeB(at, place);
        put(run, lies.from, lies.place, inScales(rows[i]!, run[lies.scale]!));
      });
    },
    getB(run, at, rows) {
      eachOfFour(rows.length, (i, place) => {
        const lies = placeB(at, place);
        rows[i] = run[lies.scale]! * get(run, lies.from, lies.place);
      });
    },
  };

  /** As f32 holds it, so that what is read back is what a kernel computes with. */
  function scaleIn(values: Float32Array, first: number, end: number): number {
    let largest = 0;
    for (let i = first; i < end; i++) if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
    return Math.fround(scaleOf(largest));
  }
}

function inScales(value: number, scale: number): number {
  return scale === 0 ? 0 : value / scale;
}

function bytesFrom({ buffer, byteOffset }: Run, at: number): Int8Array {
  return new Int8Array(buffer, byteOffset + 16 * at);
}
