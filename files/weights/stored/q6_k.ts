// Q6_K: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales for 16 elements each, half d;
// (d·scale)·(q − 32). Of each half, 64 bytes hold 128 nibbles (low ones first) and 32 bytes four rows of pairs.

import { EXPONENT, eachBlock, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";

const BLOCK = { bytes: 210, elements: 256 };

export const Q6_K: StoredFormat = {
  ...BLOCK,
  ggml: { number: 14, name: "Q6_K" },
  decode: eachBlock(BLOCK, (bytes, at, out, to) => {
    const d = halfAt(bytes, at + 208);
    for (let group = 0; group < 16; group++) {
      const scale = d * ((bytes[at + 192 + group] << 24) >> 24);
      const half = group >> 3;
      const row = (group >> 1) & 3;
      const nibbles = at + 64 * half + 32 * (row & 1) + 16 * (group & 1);
      const pairs = at + 128 + 32 * half + 16 * (group & 1);
      for (let i = 0; i < 16; i++) {
        const low = (bytes[nibbles + i] >> (row < 2 ? 0 : 4)) & 15;
        const high = (bytes[pairs + i] >> (2 * row)) & 3;
        out[to + 16 * group + i] = scale * ((low | (high << 4)) - 32);
      }
    }
  }),
  findUnfit: findIn(BLOCK, [208], EXPONENT.half),
  held: "f32",
};
