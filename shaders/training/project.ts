// A small f32 matrix times a strip of every token's values: LoRA's A x and Bᵀ dy, a router's layers. See project.wgsl.
// It knows nothing of adapters.

import type { Grid } from "../../engine/gpu/program.ts";
import { compose } from "../compose.ts";
import type { StepShape } from "../step.ts";
import type { Strip } from "./backward_linear.ts";
import { inVec4s, type SizedBuild } from "./sizes.ts";

const OWN = { step: "uniform", sizes: "uniform", weight: "read", bias: "read", x: "read", y: "read_write" } as const;

export interface ProjectFacts {
  rows: number;
  /** A multiple of 4. */
  cols: number;
  /** Both multiples of 4. */
  x: Strip;
  /** Whether `bias` is added; any small buffer may be bound where it is not. */
  bias: boolean;
}

export function project({ rows, cols, x, bias }: ProjectFacts): SizedBuild {
  const sizes = [rows, ...inVec4s("project", cols, x.stride, x.offset)];
  return { ...compose("training/project", OWN, { BIAS: bias }), sizes };
}

export function projectGrid(rows: number): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil((rows * Math.ceil(tokens / 4)) / 64), 1, 1];
}
