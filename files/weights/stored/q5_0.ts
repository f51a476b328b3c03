// Q5_0: half d, 32 fifth bits, 16 bytes of nibbles in Q4_0's order; d·(q − 16). The device's q5 holds it with the offset −16·d.

import { fourRows } from "./fifth_bits.ts";
import { encodeFloat16 } from "./float16.ts";
import { EXPONENT, eachBlock, findIn, halfAt } from "./floats_in_blocks.ts";
import { BEYOND_HALF, type StoredFormat } from "./format.ts";
import { wordsOf } from "./words.ts";

const BLOCK = { bytes: 22, elements: 32 };

export const Q5_0: StoredFormat = {
  ...BLOCK,
  ggml: { number: 6, name: "Q5_0" },
  decode: eachBlock(BLOCK, (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 6 + i];
      const low = (bytes[at + 2 + (i >> 3)] >> (i & 7)) & 1;
      const high = (bytes[at + 4 + (i >> 3)] >> (i & 7)) & 1;
      out[to + i] = d * (((pair & 15) | (low << 4)) - 16);
      out[to + 16 + i] = d * (((pair >> 4) | (high << 4)) - 16);
    }
  }),
  findUnfit: findIn(BLOCK, [0], EXPONENT.half),
  held: "q5",
  repack(bytes) {
    const blocks = bytes.length / BLOCK.bytes;
    const halves = wordsOf(bytes, Uint16Array);
    const quants = new Uint16Array(blocks * 8);
    const scales = new Uint32Array(blocks * 2);
    for (let b = 0, at = 0; b < blocks; b++, at += BLOCK.bytes) {
      const offset = encodeFloat16(-16 * halfAt(bytes, at));
      if ((offset & EXPONENT.half) === EXPONENT.half) return BEYOND_HALF;
      const from = at / 2;
      scales[2 * b] = halves[from] | (offset << 16);
      scales[2 * b + 1] = fourRows(halves[from + 1] | (halves[from + 2] << 16));
      for (let i = 0; i < 8; i++) quants[8 * b + i] = halves[from + 3 + i];
    }
    return { quants: new Uint8Array(quants.buffer), scales };
  },
};
