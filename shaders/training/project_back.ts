// The transpose of a small f32 matrix times every token's values, into a strip. See project_back.wgsl.
// It knows nothing of adapters.

import type { Grid } from "../../engine/gpu/program.ts";
import { compose } from "../compose.ts";
import type { StepShape } from "../step.ts";
import type { Strip } from "./backward_linear.ts";
import { inVec4s, type SizedBuild } from "./sizes.ts";

const OWN = { step: "uniform", sizes: "uniform", weight: "read", dy: "read", dx: "read_write" } as const;

export interface ProjectBackFacts {
  rows: number;
  /** A multiple of 4. */
  cols: number;
  /** Both multiples of 4. */
  dx: Strip;
  /** Add to what dx holds. */
  add: boolean;
}

export function projectBack({ rows, cols, dx, add }: ProjectBackFacts): SizedBuild {
  const sizes = [rows, ...inVec4s("project_back", cols, dx.stride, dx.offset)];
  return { ...compose("training/project_back", OWN, { ADD: add }), sizes };
}

export function projectBackGrid(cols: number): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil(cols / 4 / 32), Math.ceil(tokens / 4), 1];
}
