// The residual stream behind a layer. See add.wgsl.
// It knows nothing of layers.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { StepShape } from "../step.ts";

export function add(width: number): Build {
  const own = { step: "uniform", left: "read", right: "read", sum: "read_write" } as const;
  return compose("training/add", own, { WIDTH: width });
}

/** One thread for every four values of every token. */
export function elementGrid(width: number): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil((tokens * width) / 256), 1, 1];
}
