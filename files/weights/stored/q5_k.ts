// Q5_K: Q4_K with 32 bytes of fifth bits between scales and nibbles: bit g of byte i belongs to element i of group g.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { scaledGroups } from "./scaled_groups.ts";
import { minimumK, scaleK } from "./scales_k.ts";

const BLOCK = { bytes: 176, elements: 256 };

export const Q5_K: StoredFormat = {
  ...BLOCK,
  ggml: { number: 13, name: "Q5_K" },
  ...scaledGroups(BLOCK, { held: "q6_k", group: 32 }, (bytes, at, block) => {
    block.d = halfAt(bytes, at);
    block.e = -halfAt(bytes, at + 2);
    for (let group = 0; group < 8; group++) {
      block.scales[group] = scaleK(bytes, at + 4, group);
      block.minima[group] = minimumK(bytes, at + 4, group);
      const quants = at + 48 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) {
        const fifth = (bytes[at + 16 + i] >> group) & 1;
        block.codes[32 * group + i] = ((bytes[quants + i] >> shift) & 15) | (fifth << 4);
      }
    }
  }),
  findUnfit: findIn(BLOCK, [0, 2], EXPONENT.half),
};
