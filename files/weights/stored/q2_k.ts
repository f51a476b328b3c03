// Q2_K: 16 bytes of (scale, minimum) nibbles, one for each 16 elements, 64 bytes of 2-bit quants, halves d and dmin;
// (d·scale)·q − dmin·minimum. Byte i of a half's 32 has the quants of elements i, 32 + i, 64 + i and 96 + i.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { scaledGroups } from "./scaled_groups.ts";

const BLOCK = { bytes: 84, elements: 256 };

export const Q2_K: StoredFormat = {
  ...BLOCK,
  ggml: { number: 10, name: "Q2_K" },
  ...scaledGroups(BLOCK, { held: "q6_k", group: 16 }, (bytes, at, block) => {
    block.d = halfAt(bytes, at + 80);
    block.e = -halfAt(bytes, at + 82);
    for (let group = 0; group < 16; group++) {
      block.scales[group] = bytes[at + group] & 15;
      block.minima[group] = bytes[at + group] >> 4;
      const quants = at + 16 + 32 * (group >> 3) + 16 * (group & 1);
      const shift = group & 6;
      for (let i = 0; i < 16; i++) block.codes[16 * group + i] = (bytes[quants + i] >> shift) & 3;
    }
  }),
  findUnfit: findIn(BLOCK, [80, 82], EXPONENT.half),
};
