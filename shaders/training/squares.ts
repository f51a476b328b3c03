// The sum of squares of one flat array, in parts: the gradient's norm. See squares.wgsl.
// It knows nothing of clipping.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";

/** Parts to be added up, a multiple of the workgroup's 64. */
export const PARTIALS = 1024;

/** `count`: elements, a multiple of 4. */
export function squares(facts: { count: number }): Build {
  return compose("training/squares", { values: "read", partials: "read_write" }, { COUNT: facts.count, PARTIALS });
}

export function squaresGrid(): Grid {
  return [PARTIALS / 64, 1, 1];
}
