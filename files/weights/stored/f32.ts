// IEEE 754 single precision.

import { EXPONENT, findIn } from "./floats_in_blocks.ts";
import type { StoredFormat } from "./format.ts";

const BLOCK = { bytes: 4, elements: 1 };

export const F32: StoredFormat = {
  ...BLOCK,
  ggml: { number: 0, name: "F32" },
  safetensors: "F32",
  decode: (bytes, out) => new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes),
  findUnfit: findIn(BLOCK, [2], EXPONENT.single),
  held: "f32",
};
