// Q5_0: half d, 32 fifth bits, 16 bytes of nibbles in Q4_0's order; d·(q − 16).

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { int8Groups } from "./int8_groups.ts";

const BLOCK = { bytes: 22, elements: 32 };

export const Q5_0: StoredFormat = {
  ...BLOCK,
  ggml: { number: 6, name: "Q5_0" },
  ...int8Groups(BLOCK, (bytes, at, _, quants, to) => {
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 6 + i];
      const low = (bytes[at + 2 + (i >> 3)] >> (i & 7)) & 1;
      const high = (bytes[at + 4 + (i >> 3)] >> (i & 7)) & 1;
      quants[to + i] = ((pair & 15) | (low << 4)) - 16;
      quants[to + 16 + i] = ((pair >> 4) | (high << 4)) - 16;
    }
    return halfAt(bytes, at);
  }),
  findUnfit: findIn(BLOCK, [0], EXPONENT.half),
};
