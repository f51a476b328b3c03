// Q3_K: 32 bytes of third bits, 64 bytes of 2-bit quants in Q2_K's order, 12 bytes of 6-bit scales, half d;
// (d·(scale − 32))·q, where q is the two bits, less 4 where the third bit is not set.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { scaledGroups } from "./scaled_groups.ts";

const BLOCK = { bytes: 110, elements: 256 };

export const Q3_K: StoredFormat = {
  ...BLOCK,
  ggml: { number: 11, name: "Q3_K" },
  ...scaledGroups(BLOCK, { held: "q6_k", group: 16, zero: 4 }, (bytes, at, block) => {
    block.d = halfAt(bytes, at + 108);
    for (let group = 0; group < 16; group++) {
      block.scales[group] = scaleOf(bytes, at + 96, group) - 32;
      const inRow = 16 * (group & 1);
      const quants = at + 32 + 32 * (group >> 3) + inRow;
      const shift = group & 6;
      for (let i = 0; i < 16; i++) {
        const third = (bytes[at + inRow + i] >> (group >> 1)) & 1;
        block.codes[16 * group + i] = ((bytes[quants + i] >> shift) & 3) | (third << 2);
      }
    }
  }),
  findUnfit: findIn(BLOCK, [108], EXPONENT.half),
};

/** Scale `group`: its low four bits are nibbles of the first 8 bytes, its high two are pairs of bits of the last 4. */
function scaleOf(bytes: Uint8Array, at: number, group: number): number {
  const low = (bytes[at + (group & 7)] >> (group < 8 ? 0 : 4)) & 15;
  const high = (bytes[at + 8 + (group & 3)] >> (2 * (group >> 2))) & 3;
  return low | (high << 4);
}
