// Q5_1: halves d and m, 32 fifth bits, 16 bytes of nibbles in Q4_0's order; d·q + m.

import { fourRows } from "./fifth_bits.ts";
import { EXPONENT, eachBlock, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { wordsOf } from "./words.ts";

const BLOCK = { bytes: 24, elements: 32 };

export const Q5_1: StoredFormat = {
  ...BLOCK,
  ggml: { number: 7, name: "Q5_1" },
  decode: eachBlock(BLOCK, (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    const m = halfAt(bytes, at + 2);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 8 + i];
      const low = (bytes[at + 4 + (i >> 3)] >> (i & 7)) & 1;
      const high = (bytes[at + 6 + (i >> 3)] >> (i & 7)) & 1;
      out[to + i] = d * ((pair & 15) | (low << 4)) + m;
      out[to + 16 + i] = d * ((pair >> 4) | (high << 4)) + m;
    }
  }),
  findUnfit: findIn(BLOCK, [0, 2], EXPONENT.half),
  held: "q5",
  repack(bytes) {
    const blocks = bytes.length / BLOCK.bytes;
    const words = wordsOf(bytes, Uint32Array);
    const quants = new Uint32Array(blocks * 4);
    const scales = new Uint32Array(blocks * 2);
    for (let b = 0, at = 0, to = 0; b < blocks; b++, at += 6, to += 4) {
      scales[2 * b] = words[at];
      scales[2 * b + 1] = fourRows(words[at + 1]);
      quants[to] = words[at + 2];
      quants[to + 1] = words[at + 3];
      quants[to + 2] = words[at + 4];
      quants[to + 3] = words[at + 5];
    }
    return { quants, scales };
  },
};
