// Q4_1: halves d and m, 16 bytes of nibbles in Q4_0's order; d·q + m.

import { EXPONENT, eachBlock, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { wordsOf } from "./words.ts";

const BLOCK = { bytes: 20, elements: 32 };

export const Q4_1: StoredFormat = {
  ...BLOCK,
  ggml: { number: 3, name: "Q4_1" },
  decode: eachBlock(BLOCK, (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    const m = halfAt(bytes, at + 2);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 4 + i];
      out[to + i] = d * (pair & 15) + m;
      out[to + 16 + i] = d * (pair >> 4) + m;
    }
  }),
  findUnfit: findIn(BLOCK, [0, 2], EXPONENT.half),
  held: "q4",
  repack(bytes) {
    const blocks = bytes.length / BLOCK.bytes;
    const words = wordsOf(bytes, Uint32Array);
    const quants = new Uint32Array(blocks * 4);
    const scales = new Uint32Array(blocks);
    for (let b = 0, at = 0, to = 0; b < blocks; b++, at += 5, to += 4) {
      scales[b] = words[at];
      quants[to] = words[at + 1];
      quants[to + 1] = words[at + 2];
      quants[to + 2] = words[at + 3];
      quants[to + 3] = words[at + 4];
    }
    return { quants: new Uint8Array(quants.buffer), scales: new Uint16Array(scales.buffer) };
  },
};
