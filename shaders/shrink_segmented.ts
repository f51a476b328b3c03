// LoRA's A side for many tokens: one adapter's rows against the tokens of a tile. See shrink_segmented.wgsl.
// It knows nothing of how tiles were made.

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose } from "./compose.ts";
import { type LoraShape, loraConstants } from "./lora_form.ts";
import { tileBound } from "./segments.ts";
import type { StepShape } from "./step.ts";

const OWN = {
  table: "read",
  order: "read",
  tiles: "read",
  tile_count: "read",
  x: "read",
  pool: "read",
  shrunk: "read_write",
} as const;

/** `inputs`: elements of x a token. */
export function shrinkSegmented(inputs: number, shape: LoraShape): Build {
  return compose("shrink_segmented", OWN, { IN: inputs, ...loraConstants(shape) });
}

export function shrinkSegmentedGrid(modules: number): (shape: StepShape) => Grid {
  return (shape) => [Math.ceil((modules * shape.maxRank4) / 16), tileBound(shape), 1];
}
