// The check that no weight is NaN or infinite, on stored bytes and without decoding them.
// It knows nothing of which tensors a loader takes; it names the one it is given.

import { MoloraError } from "../../../proto/errors.ts";
import { STORED, type StoredType } from "../tensor.ts";

/** Where a block's floats lie: byte offset of each float's uppermost two bytes, and its exponent's bits there. */
const FLOATS: Record<StoredType, { at: readonly number[]; exponent: number }> = {
  f32: { at: [2], exponent: 0x7f80 },
  bf16: { at: [0], exponent: 0x7f80 },
  f16: { at: [0], exponent: 0x7c00 },
  q8_0: { at: [0], exponent: 0x7c00 },
  q4_0: { at: [0], exponent: 0x7c00 },
  q4_1: { at: [0, 2], exponent: 0x7c00 },
};

/**
 * Raises `tensor_not_finite` where stored bytes of tensor `name` hold a NaN or an infinity (for blocks: in a scale or
 * an offset, the only floats there are). `bytes` are whole blocks, any part of the tensor.
 */
export function checkFinite(name: string, type: StoredType, bytes: Uint8Array): void {
  const { at, exponent } = FLOATS[type];
  const block = STORED[type];
  for (const first of at) {
    for (let i = first; i < bytes.length; i += block.bytes) {
      if (((bytes[i] | (bytes[i + 1] << 8)) & exponent) !== exponent) continue;
      throw new MoloraError("tensor_not_finite", `tensor ${name} holds a NaN or an infinity`, {
        remedy: "Fetch or export the weights again: no valid model has such a value.",
        details: { tensor: name, element: ((i - first) / block.bytes) * block.elements },
      });
    }
  }
}
