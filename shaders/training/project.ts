// A small f32 matrix times a strip of every token's values: LoRA's A x and Bᵀ dy, a router's layers. See project.wgsl.

import type { StepShape } from "../step.ts";
import type { Strip } from "./backward_linear.ts";
import { inVec4s, type SizedKernel } from "./sizes.ts";

export interface ProjectFacts {
  rows: number;
  /** A multiple of 4. */
  cols: number;
  /** Both multiples of 4. */
  x: Strip;
  /** Whether `bias` is added; any small buffer may be bound where it is not. */
  bias: boolean;
}

export const project: SizedKernel<ProjectFacts> = {
  name: "training/project",
  sizes: ({ rows, cols, x }) => ({
    ROWS: rows,
    ...inVec4s("project", { COLS4: cols, X_STRIDE4: x.stride, X_OFFSET4: x.offset }),
  }),
  constants: ({ bias }) => ({ BIAS: bias }),
  wgsl: ({ rows }) => ({
    text: "training/project",
    bindings: { step: "uniform", sizes: "uniform", weight: "read", bias: "read", x: "read", y: "read_write" },
    grid: ({ tokens }) => [Math.ceil((rows * Math.ceil(tokens / 4)) / 64), 1, 1],
  }),
  cpu: (facts) => {
    const blocks = Math.ceil(facts.rows / 16);
    const items = ({ tokens }: StepShape) => Math.ceil(tokens / 16) * blocks;
    return [{ body: "project", constants: project.sizes(facts), items }];
  },
};
