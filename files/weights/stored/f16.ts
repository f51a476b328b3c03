// IEEE 754 half precision.

import { float16Table } from "./float16.ts";
import { EXPONENT, findIn } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";

const BLOCK = { bytes: 2, elements: 1 };

export const F16: StoredFormat = {
  ...BLOCK,
  ggml: { number: 1, name: "F16" },
  safetensors: "F16",
  decode(bytes, out) {
    const half = float16Table();
    for (let i = 0; i < out.length; i++) out[i] = half[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
  },
  findUnfit: findIn(BLOCK, [0], EXPONENT.half),
  held: "f16",
  repack: (bytes) => ({ quants: new Uint8Array(bytes) }),
};
