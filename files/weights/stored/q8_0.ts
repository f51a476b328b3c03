// Q8_0: half d, 32 signed bytes q; d·q.

import { float16Table } from "./float16.ts";
import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { Planes, StoredFormat } from "./format.ts";
import { int8Groups } from "./int8_groups.ts";
import { wordsOf } from "./words.ts";

const BLOCK = { bytes: 34, elements: 32 };

export const Q8_0 = {
  ...BLOCK,
  ggml: { number: 8, name: "Q8_0" },
  ...int8Groups(BLOCK, (bytes, at, _, quants, to) => {
    for (let i = 0; i < 32; i++) quants[to + i] = bytes[at + 2 + i];
    return halfAt(bytes, at);
  }),
  findUnfit: findIn(BLOCK, [0], EXPONENT.half),
  repack(bytes: Uint8Array): Planes {
    const blocks = bytes.length / BLOCK.bytes;
    const halves = wordsOf(bytes, Uint16Array);
    const quants = new Uint16Array(blocks * 16);
    const scales = new Float32Array(blocks);
    const table = float16Table();
    for (let b = 0, from = 0; b < blocks; b++) {
      scales[b] = table[halves[from++]];
      for (let to = 16 * b; to < 16 * b + 16; to++) quants[to] = halves[from++];
    }
    return { quants: new Int8Array(quants.buffer), scales };
  },
} satisfies StoredFormat;
