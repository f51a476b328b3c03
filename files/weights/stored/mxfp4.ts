// MXFP4: a byte e, the exponent of a power of two, and 16 bytes of nibbles in Q4_0's order, each a float of 4 bits
// (sign, 2 bits of exponent, 1 of fraction; OCP Microscaling 1.0). Doubled, those are whole numbers: 2^(e − 128)·value.

import { findIn } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { int8Groups } from "./int8_groups.ts";

const BLOCK = { bytes: 17, elements: 32 };

const DOUBLED = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] as const;

export const MXFP4: StoredFormat = {
  ...BLOCK,
  ggml: { number: 39, name: "MXFP4" },
  ...int8Groups(BLOCK, (bytes, at, _, quants, to) => {
    for (let i = 0; i < 16; i++) {
      quants[to + i] = DOUBLED[bytes[at + 1 + i] & 15];
      quants[to + 16 + i] = DOUBLED[bytes[at + 1 + i] >> 4];
    }
    return 2 ** (bytes[at] - 128);
  }),
  // 255 is NaN; from 253 on a 12 is beyond float32. No weight is anywhere near 252, and four exponents share six bits.
  findUnfit: findIn(BLOCK, [0], 0xfc),
};
