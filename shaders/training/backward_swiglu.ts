// Gradient of SwiGLU for gate and up, in their place. See backward_swiglu.wgsl.
// It knows nothing of the layers around it.

import { type Build, compose } from "../compose.ts";

/** Launched with elementGrid(ffn). */
export function backwardSwiglu(ffn: number): Build {
  return compose("training/backward_swiglu", { step: "uniform", dy: "read", gate_up: "read_write" }, { FFN: ffn });
}
