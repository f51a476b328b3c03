// Q4_0: half d, 16 bytes whose low nibbles are elements 0 to 15 and whose high nibbles are 16 to 31; d·(q − 8).
// The device's q4 holds it with the offset −8·d.

import { encodeFloat16 } from "./float16.ts";
import { EXPONENT, eachBlock, findIn, halfAt } from "./floats_in_blocks.ts";
import { BEYOND_HALF, type Planes, type StoredFormat } from "./format.ts";
import { wordsOf } from "./words.ts";

const BLOCK = { bytes: 18, elements: 32 };

export const Q4_0 = {
  ...BLOCK,
  ggml: { number: 2, name: "Q4_0" },
  decode: eachBlock(BLOCK, (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 2 + i];
      out[to + i] = d * ((pair & 15) - 8);
      out[to + 16 + i] = d * ((pair >> 4) - 8);
    }
  }),
  findUnfit: findIn(BLOCK, [0], EXPONENT.half),
  held: "q4",
  repack(bytes: Uint8Array): Planes | typeof BEYOND_HALF {
    const blocks = bytes.length / BLOCK.bytes;
    const halves = wordsOf(bytes, Uint16Array);
    const quants = new Uint16Array(blocks * 8);
    const scales = new Uint16Array(blocks * 2);
    for (let b = 0, at = 0; b < blocks; b++, at += BLOCK.bytes) {
      const offset = encodeFloat16(-8 * halfAt(bytes, at));
      if ((offset & EXPONENT.half) === EXPONENT.half) return BEYOND_HALF;
      const from = at / 2;
      scales[2 * b] = halves[from];
      scales[2 * b + 1] = offset;
      for (let i = 0; i < 8; i++) quants[8 * b + i] = halves[from + 1 + i];
    }
    return { quants: new Uint8Array(quants.buffer), scales };
  },
} satisfies StoredFormat;
