// The transpose of a small f32 matrix times every token's values, into a strip. See project_back.wgsl.

import type { StepShape } from "../step.ts";
import type { Strip } from "./backward_linear.ts";
import { inVec4s, type SizedKernel } from "./sizes.ts";

export interface ProjectBackFacts {
  rows: number;
  /** A multiple of 4. */
  cols: number;
  /** Both multiples of 4. */
  dx: Strip;
  /** Add to what dx holds. */
  add: boolean;
}

export const projectBack: SizedKernel<ProjectBackFacts> = {
  name: "training/project_back",
  sizes: ({ rows, cols, dx }) => ({
    ROWS: rows,
    ...inVec4s("project_back", { COLS4: cols, DX_STRIDE4: dx.stride, DX_OFFSET4: dx.offset }),
  }),
  constants: ({ add }) => ({ ADD: add }),
  wgsl: ({ cols }) => ({
    text: "training/project_back",
    bindings: { step: "uniform", sizes: "uniform", weight: "read", dy: "read", dx: "read_write" },
    grid: ({ tokens }) => [Math.ceil(cols / 4 / 32), Math.ceil(tokens / 4), 1],
  }),
  cpu: (facts) => {
    const chunks = Math.ceil(facts.cols / 64);
    const items = ({ tokens }: StepShape) => Math.ceil(tokens / 64) * chunks;
    return [{ body: "project_back", constants: projectBack.sizes(facts), items }];
  },
};
