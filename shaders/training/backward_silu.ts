// Gradient of a router's activation, in place. See backward_silu.wgsl.
// It knows nothing of routers.

import { type Build, compose } from "../compose.ts";

/** Launched with elementGrid(width). */
export function backwardSilu(width: number): Build {
  return compose("training/backward_silu", { step: "uniform", x: "read", dy: "read_write" }, { WIDTH: width });
}
