// Q2_K: 16 bytes of (scale, minimum) nibbles, one for each 16 elements, 64 bytes of 2-bit quants, halves d and dmin;
// (d·scale)·q − dmin·minimum. Byte i of a half's 32 has the quants of elements i, 32 + i, 64 + i and 96 + i.

import { EXPONENT, eachBlock, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";

const BLOCK = { bytes: 84, elements: 256 };

export const Q2_K: StoredFormat = {
  ...BLOCK,
  ggml: { number: 10, name: "Q2_K" },
  decode: eachBlock(BLOCK, (bytes, at, out, to) => {
    const d = halfAt(bytes, at + 80);
    const dmin = halfAt(bytes, at + 82);
    for (let group = 0; group < 16; group++) {
      const scale = d * (bytes[at + group] & 15);
      const minimum = dmin * (bytes[at + group] >> 4);
      const quants = at + 16 + 32 * (group >> 3) + 16 * (group & 1);
      const shift = group & 6;
      for (let i = 0; i < 16; i++) {
        out[to + 16 * group + i] = scale * ((bytes[quants + i] >> shift) & 3) - minimum;
      }
    }
  }),
  findUnfit: findIn(BLOCK, [80, 82], EXPONENT.half),
  held: "f32",
};
