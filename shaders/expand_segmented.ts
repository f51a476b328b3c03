// LoRA's B side for many tokens: writes one plane of deltas an entry. See expand_segmented.wgsl.
// It knows nothing of the base layer's output; the consumer adds the planes to it.

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose } from "./compose.ts";
import { type LoraShape, loraConstants } from "./lora_form.ts";
import { tileBound } from "./segments.ts";
import { type StepShape, shader } from "./step.ts";

const OWN = {
  order: "read",
  tiles: "read",
  tile_count: "read",
  pool: "read",
  shrunk: "read",
  planes: "read_write",
} as const;

export function expandSegmented(shape: LoraShape): Build {
  const rows = { parts: [shader("parts/add_rows")], bindings: {}, constants: loraConstants(shape) };
  return compose("expand_segmented", OWN, {}, [rows]);
}

export function expandSegmentedGrid(rows: number): (shape: StepShape) => Grid {
  return (shape) => [Math.ceil(rows / 128), tileBound(shape), 1];
}
