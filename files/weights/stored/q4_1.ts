// Q4_1: halves d and m, 16 bytes of nibbles in Q4_0's order; d·q + m.

import { EXPONENT, eachBlock, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";

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
    const quants = new Uint8Array(blocks * 16);
    const scales = new Uint16Array(blocks * 2);
    for (let b = 0, at = 0; b < blocks; b++, at += BLOCK.bytes) {
      scales[2 * b] = bytes[at] | (bytes[at + 1] << 8);
      scales[2 * b + 1] = bytes[at + 2] | (bytes[at + 3] << 8);
      quants.set(bytes.subarray(at + 4, at + BLOCK.bytes), b * 16);
    }
    return { quants, scales };
  },
};
