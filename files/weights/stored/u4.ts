// 4-bit codes with a zero of their own in each group, as GPTQ and AWQ have them: half d, a byte z, nibbles of the codes, each
// byte's low one first; d·(q − z). No file holds these blocks: files/weights/packed/ makes them of what safetensors hold.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { int8Groups } from "./int8_groups.ts";
import { scaledGroups } from "./scaled_groups.ts";

const SMALL = { bytes: 19, elements: 32 };
const LARGE = { bytes: 67, elements: 128 };

/** Groups of 32, which do not share scales as q4_k wants it: q8_0 holds q − z. */
export const U4X32: StoredFormat = {
  ...SMALL,
  ...int8Groups(SMALL, (bytes, at, _, quants, to) => {
    for (let i = 0; i < 32; i++) quants[to + i] = codeAt(bytes, at, i) - bytes[at + 2];
    return halfAt(bytes, at);
  }),
  findUnfit: findIn(SMALL, [0], EXPONENT.half),
};

/** Groups of 128 or more: d·q + (−d)·z. */
export const U4X128: StoredFormat = {
  ...LARGE,
  ...scaledGroups(LARGE, { held: "q4_k", group: 32 }, (bytes, at, block) => {
    block.d = halfAt(bytes, at);
    block.e = -block.d;
    block.scales.fill(1);
    block.minima.fill(bytes[at + 2]);
    for (let i = 0; i < 128; i++) block.codes[i] = codeAt(bytes, at, i);
  }),
  findUnfit: findIn(LARGE, [0], EXPONENT.half),
};

function codeAt(bytes: Uint8Array, at: number, i: number): number {
  return (bytes[at + 3 + (i >> 1)] >> (4 * (i & 1))) & 15;
}
