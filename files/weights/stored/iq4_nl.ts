// IQ4_NL: half d, 16 bytes of nibbles in Q4_0's order that choose among 16 signed bytes; d·value.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { int8Groups } from "./int8_groups.ts";

const BLOCK = { bytes: 18, elements: 32 };

/** What a nibble of IQ4_NL and IQ4_XS stands for (kvalues_iq4nl, ggml-common.h). */
export const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;

export const IQ4_NL: StoredFormat = {
  ...BLOCK,
  ggml: { number: 20, name: "IQ4_NL" },
  ...int8Groups(BLOCK, (bytes, at, _, quants, to) => {
    for (let i = 0; i < 16; i++) {
      quants[to + i] = IQ4_VALUES[bytes[at + 2 + i] & 15];
      quants[to + 16 + i] = IQ4_VALUES[bytes[at + 2 + i] >> 4];
    }
    return halfAt(bytes, at);
  }),
  findUnfit: findIn(BLOCK, [0], EXPONENT.half),
};
