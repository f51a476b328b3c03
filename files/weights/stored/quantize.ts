// float32 to GGUF's Q8_0 and Q4_0 blocks, byte for byte as ggml's reference quantisers make them (ggml-quants.c). The
// other types are only ever read.

import { MoloraError } from "../../../proto/errors.ts";
import { encodeFloat16 } from "./float16.ts";
import type { StoredFormat } from "./format.ts";
import { Q4_0 } from "./q4_0.ts";
import { Q8_0 } from "./q8_0.ts";

/**
 * Q8_0: blocks of 32 along the last dimension, each a half d and 32 signed bytes, element ≈ d·q.
 * d = max|x| / 127, q = x / d rounded with halves away from zero, in float32 (`quantize_row_q8_0_ref`).
 *
 * @throws MoloraError `internal` where `values.length` is no multiple of 32
 */
export function quantizeQ8_0(values: Float32Array): Uint8Array {
  return quantizeBlocks(Q8_0, values, quantizeBytes);
}

/**
 * Q4_0: element ≈ d·(q − 8), q from 0 to 15. d is the element of the largest magnitude / −8, so that this one is exact
 * (`quantize_row_q4_0_ref`).
 *
 * @throws MoloraError `internal` where `values.length` is no multiple of 32
 */
export function quantizeQ4_0(values: Float32Array): Uint8Array {
  return quantizeBlocks(Q4_0, values, quantizeNibbles);
}

function quantizeBlocks(
  { bytes: size, elements, ggml }: StoredFormat & Required<Pick<StoredFormat, "ggml">>,
  values: Float32Array,
  quantize: (values: Float32Array, first: number, out: Uint8Array, at: number) => void,
): Uint8Array {
  if (values.length % elements !== 0) {
    throw new MoloraError("internal", `${values.length} elements do not fill ${ggml.name} blocks of ${elements}`);
  }
  const out = new Uint8Array((values.length / elements) * size);
  for (let b = 0; b * elements < values.length; b++) quantize(values, b * elements, out, b * size);
  return out;
}

/** The block of 32 values from `first`, to the bytes from `at`. */
function quantizeBytes(values: Float32Array, first: number, out: Uint8Array, at: number): void {
  let largest = 0;
  for (let i = first; i < first + 32; i++) largest = Math.max(largest, Math.abs(values[i]));
  const inverse = storeScale(Math.fround(largest / 127), out, at);
  for (let i = 0; i < 32; i++) {
    const scaled = Math.fround(values[first + i] * inverse);
    out[at + 2 + i] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(scaled + 0.5);
  }
}

function quantizeNibbles(values: Float32Array, first: number, out: Uint8Array, at: number): void {
  let extreme = 0;
  for (let i = first; i < first + 32; i++) if (Math.abs(values[i]) > Math.abs(extreme)) extreme = values[i];
  const inverse = storeScale(extreme / -8, out, at);
  const nibble = (x: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(x * inverse) + 8.5)));
  for (let i = 0; i < 16; i++) {
    out[at + 2 + i] = nibble(values[first + i]) | (nibble(values[first + 16 + i]) << 4);
  }
}

/** Writes `d` as a half to the block that starts at `at`; gives the float32 that elements are multiplied by. */
function storeScale(d: number, out: Uint8Array, at: number): number {
  const half = encodeFloat16(d);
  out[at] = half & 0xff;
  out[at + 1] = half >> 8;
  return d === 0 ? 0 : Math.fround(1 / d);
}
