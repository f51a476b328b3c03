// The form in which a kernel leaves its result for the next linear layer: f32, or int8 blocks of 32 beside the f32.
// It knows nothing of the layers.

import type { Fragment } from "./compose.ts";
import { shader } from "./step.ts";

export type ActivationForm = "f32" | "q8";

/** Gives the kernel `finish(first, count, lane)`; q8 adds bindings xq (int8 quants) and xs (scale, scale · Σ quants). */
export function activationFragment(form: ActivationForm): Fragment {
  if (form === "f32") return { parts: [shader("parts/finish_f32")], bindings: {}, constants: {} };
  return {
    parts: [shader("parts/quantize_q8"), shader("parts/finish_q8")],
    bindings: { xq: "read_write", xs: "read_write" },
    constants: {},
    at: "QUANT_BINDING",
  };
}
