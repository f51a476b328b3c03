// Q4_K: halves d and dmin, 12 bytes of scales and minima for groups of 32 elements, 128 bytes of nibbles: of each 32
// bytes the low nibbles are one group, the high ones the next; (d·scale)·q − dmin·minimum.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { scaledGroups } from "./scaled_groups.ts";
import { minimumK, scaleK } from "./scales_k.ts";

const BLOCK = { bytes: 144, elements: 256 };

export const Q4_K: StoredFormat = {
  ...BLOCK,
  ggml: { number: 12, name: "Q4_K" },
  ...scaledGroups(BLOCK, { held: "q4_k", group: 32 }, (bytes, at, block) => {
    block.d = halfAt(bytes, at);
    block.e = -halfAt(bytes, at + 2);
    for (let group = 0; group < 8; group++) {
      block.scales[group] = scaleK(bytes, at + 4, group);
      block.minima[group] = minimumK(bytes, at + 4, group);
      const quants = at + 16 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) block.codes[32 * group + i] = (bytes[quants + i] >> shift) & 15;
    }
  }),
  findUnfit: findIn(BLOCK, [0, 2], EXPONENT.half),
};
