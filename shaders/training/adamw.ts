// AdamW over one flat array of parameters. See adamw.wgsl.
// It knows nothing of what the parameters are, nor of schedules.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";

const OWN = {
  rule: "uniform",
  gradients: "read",
  values: "read_write",
  means: "read_write",
  squares: "read_write",
} as const;

/** Floats of the uniform `rule`: rate, β1, β2, ε, decay, 1 − β1^step, 1 − β2^step, scale of the gradients. */
export const RULE_FLOATS = 8;

/** `count`: elements, a multiple of 4. */
export function adamw(facts: { count: number }): Build {
  return compose("training/adamw", OWN, { COUNT: facts.count });
}

/** Threads beyond this many workgroups take further elements in turn. */
export function adamwGrid(count: number): () => Grid {
  return () => [Math.min(4096, Math.ceil(count / 256)), 1, 1];
}
