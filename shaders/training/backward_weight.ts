// Gradient of a small f32 matrix (LoRA's A and B, a router's layers), added up over tokens. See backward_weight.wgsl.
// It knows nothing of adapters.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { StepShape } from "../step.ts";
import type { Strip } from "./backward_linear.ts";

const OWN = { step: "uniform", u: "read", x: "read", dw: "read_write" } as const;

/** All multiples of 4. */
export interface BackwardWeightFacts {
  rows: number;
  cols: number;
  x: Strip;
}

export function backwardWeight({ rows, cols, x }: BackwardWeightFacts): Build {
  if ((rows | cols | x.stride | x.offset) % 4 !== 0)
    throw new RangeError("backward_weight: sizes are no multiples of 4");
  return compose("training/backward_weight", OWN, { ROWS: rows, COLS: cols, X_STRIDE: x.stride, X_OFFSET: x.offset });
}

export function backwardWeightGrid({ rows, cols }: { rows: number; cols: number }): (shape: StepShape) => Grid {
  return () => [Math.ceil(cols / 4 / 32), rows / 4, 1];
}
