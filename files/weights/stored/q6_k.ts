// Q6_K: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales for 16 elements each, half d;
// (d·scale)·(q − 32). Of each half, 64 bytes hold 128 nibbles (low ones first) and 32 bytes four rows of pairs.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { scaledGroups } from "./scaled_groups.ts";

const BLOCK = { bytes: 210, elements: 256 };

export const Q6_K: StoredFormat = {
  ...BLOCK,
  ggml: { number: 14, name: "Q6_K" },
  ...scaledGroups(BLOCK, { held: "q6_k", group: 16, zero: 32 }, (bytes, at, block) => {
    block.d = halfAt(bytes, at + 208);
    for (let group = 0; group < 16; group++) {
      block.scales[group] = bytes[at + 192 + group];
      const half = group >> 3;
      const row = (group >> 1) & 3;
      const nibbles = at + 64 * half + 32 * (row & 1) + 16 * (group & 1);
      const pairs = at + 128 + 32 * half + 16 * (group & 1);
      for (let i = 0; i < 16; i++) {
        const low = (bytes[nibbles + i] >> (row < 2 ? 0 : 4)) & 15;
        const high = (bytes[pairs + i] >> (2 * row)) & 3;
        block.codes[16 * group + i] = low | (high << 4);
      }
    }
  }),
  findUnfit: findIn(BLOCK, [208], EXPONENT.half),
};
