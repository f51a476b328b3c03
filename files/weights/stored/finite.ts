// The check that no weight is NaN or infinite, on stored bytes and without decoding them.

import { MoloraError } from "../../../proto/errors.ts";
import { STORED, type StoredType } from "./formats.ts";

/**
 * Checks stored bytes of tensor `name`: whole blocks, any part of it. In quantised blocks scales and offsets are the
 * only floats there are.
 *
 * @throws MoloraError `tensor_not_finite` where they hold a NaN, an infinity or what no float32 can hold
 */
export function checkFinite(name: string, type: StoredType, bytes: Uint8Array): void {
  const element = STORED[type].findUnfit(bytes);
  if (element < 0) return;
  throw new MoloraError("tensor_not_finite", `tensor ${name} holds a NaN or an infinity`, {
    remedy: "Fetch or export the weights again: no valid model has such a value.",
    details: { tensor: name, element },
  });
}
