// IQ4_XS: half d, 16 bits of upper and 4 bytes of lower scale bits for eight groups of 32, 128 bytes of nibbles, 16
// bytes a group in Q4_0's order, that choose among IQ4_NL's values; (d·(scale − 32))·value.

import { EXPONENT, findIn, halfAt } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";
import { int8Groups } from "./int8_groups.ts";
import { IQ4_VALUES } from "./iq4_nl.ts";

const BLOCK = { bytes: 136, elements: 256 };

export const IQ4_XS: StoredFormat = {
  ...BLOCK,
  ggml: { number: 23, name: "IQ4_XS" },
  ...int8Groups(BLOCK, (bytes, at, group, quants, to) => {
    const nibbles = at + 8 + 16 * group;
    for (let i = 0; i < 16; i++) {
      quants[to + i] = IQ4_VALUES[bytes[nibbles + i] & 15];
      quants[to + 16 + i] = IQ4_VALUES[bytes[nibbles + i] >> 4];
    }
    const low = (bytes[at + 4 + (group >> 1)] >> (4 * (group & 1))) & 15;
    const high = ((bytes[at + 2] | (bytes[at + 3] << 8)) >> (2 * group)) & 3;
    return halfAt(bytes, at) * ((low | (high << 4)) - 32);
  }),
  findUnfit: findIn(BLOCK, [0], EXPONENT.half),
};
