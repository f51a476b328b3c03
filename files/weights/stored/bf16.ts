// bfloat16, the upper half of a single. The device holds it as f16, which rounds what lies under 2^-14.

import { EXPONENT, findIn } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";

const BLOCK = { bytes: 2, elements: 1 };

export const BF16: StoredFormat = {
  ...BLOCK,
  ggml: { number: 30, name: "BF16" },
  safetensors: "BF16",
  decode(bytes, out) {
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < words.length; i++) words[i] = (bytes[2 * i] << 16) | (bytes[2 * i + 1] << 24);
  },
  findUnfit: findIn(BLOCK, [0], EXPONENT.single),
  held: "f16",
};
