// Q8_0: half d, 32 signed bytes q; d·q.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { int8Groups } from "./int8_groups.ts";

const BLOCK = { bytes: 34, elements: 32 };

export const Q8_0 = {
  ...BLOCK,
  ggml: { number: 8, name: "Q8_0" },
  ...int8Groups(BLOCK, (bytes, at, _, quants, to) => {
    for (let i = 0; i < 32; i++) quants[to + i] = bytes[at + 2 + i];
    return halfAt(bytes, at);
  }),
  findUnfit: findIn(BLOCK, [0], EXPONENT.half),
} satisfies StoredFormat;
