// The activation of a router's hidden layer. See silu.wgsl.
// It knows nothing of routers.

import { type Build, compose } from "../compose.ts";

/** Launched with elementGrid(width). */
export function silu(width: number): Build {
  return compose("training/silu", { step: "uniform", x: "read", y: "read_write" }, { WIDTH: width });
}
