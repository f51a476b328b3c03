// float32 to GGUF Q8_0 blocks, as ggml's reference quantiser makes them.
// It knows nothing of files; the narrower types are only ever read.

import { MoloraError } from "../../../proto/errors.ts";
import { encodeFloat16 } from "./float16.ts";
import { Q8_0 } from "./q8_0.ts";

/**
 * Q8_0: blocks of 32 along the last dimension, each a half d and 32 signed bytes, element ≈ d·q.
 * d = max|x| / 127, q = x / d rounded with halves away from zero, in float32 as `quantize_row_q8_0_ref` (ggml-quants.c)
 * computes it, so that the bytes equal llama.cpp's. `values.length` must be a multiple of 32.
 */
export function quantizeQ8_0(values: Float32Array): Uint8Array {
  const { bytes: size, elements } = Q8_0;
  if (values.length % elements !== 0) {
    throw new MoloraError("internal", `${values.length} elements do not fill Q8_0 blocks of ${elements}`);
  }
  const out = new Uint8Array((values.length / elements) * size);
  for (let b = 0; b * elements < values.length; b++) {
    quantizeBlock(values.subarray(b * elements, (b + 1) * elements), out.subarray(b * size, (b + 1) * size));
  }
  return out;
}

function quantizeBlock(values: Float32Array, out: Uint8Array): void {
  let largest = 0;
  for (const x of values) largest = Math.max(largest, Math.abs(x));
  const d = Math.fround(largest / 127);
  const inverse = d === 0 ? 0 : Math.fround(1 / d);
  const half = encodeFloat16(d);
  out[0] = half & 0xff;
  out[1] = half >> 8;
  for (let i = 0; i < values.length; i++) {
    const scaled = Math.fround(values[i] * inverse);
    out[2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
  }
}
