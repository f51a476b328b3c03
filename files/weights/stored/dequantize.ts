// Stored bytes to float32, for every stored type.

import { MoloraError } from "../../../proto/errors.ts";
import { STORED, type StoredType } from "./formats.ts";

/**
 * Writes the elements of `bytes`, whole blocks at any alignment, to `out`: exact for plain types but f64, and for ggml's
 * blocks what its reference (ggml-quants.c, `dequantize_row_*`) computes, rounded once to float32.
 *
 * @throws MoloraError `internal` where `bytes` are not exactly the blocks of `out.length` elements
 */
export function dequantizeRows(type: StoredType, bytes: Uint8Array, out: Float32Array): void {
  const block = STORED[type];
  if (bytes.length * block.elements !== out.length * block.bytes) {
    throw new MoloraError("internal", `${bytes.length} bytes of ${type} are not ${out.length} elements`);
  }
  block.decode(bytes, out);
}
