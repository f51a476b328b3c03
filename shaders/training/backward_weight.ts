// Gradient of a small f32 matrix (LoRA's A and B, a router's layers), added up over tokens. See backward_weight.wgsl.
// It knows nothing of adapters.

import type { Grid } from "../../engine/gpu/program.ts";
import { compose } from "../compose.ts";
import type { StepShape } from "../step.ts";
import type { Strip } from "./backward_linear.ts";
import { inVec4s, type SizedBuild } from "./sizes.ts";

const OWN = { step: "uniform", sizes: "uniform", u: "read", x: "read", dw: "read_write" } as const;

/** All multiples of 4. */
export interface BackwardWeightFacts {
  rows: number;
  cols: number;
  x: Strip;
}

export function backwardWeight({ rows, cols, x }: BackwardWeightFacts): SizedBuild {
  return {
    ...compose("training/backward_weight", OWN, {}),
    sizes: inVec4s("backward_weight", rows, cols, x.stride, x.offset),
  };
}

export function backwardWeightGrid({ rows, cols }: { rows: number; cols: number }): (shape: StepShape) => Grid {
  return () => [Math.ceil(cols / 4 / 32), rows / 4, 1];
}
