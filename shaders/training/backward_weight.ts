// Gradient of a small f32 matrix (LoRA's A and B, a router's layers), added up over tokens. See backward_weight.wgsl.

import type { Strip } from "./backward_linear.ts";
import { inVec4s, type SizedKernel } from "./sizes.ts";

/** All multiples of 4. */
export interface BackwardWeightFacts {
  rows: number;
  cols: number;
  x: Strip;
}

export const backwardWeight: SizedKernel<BackwardWeightFacts> = {
  name: "training/backward_weight",
  sizes: ({ rows, cols, x }) =>
    inVec4s("backward_weight", { ROWS4: rows, COLS4: cols, X_STRIDE4: x.stride, X_OFFSET4: x.offset }),
  constants: () => ({}),
  wgsl: ({ rows, cols }) => ({
    text: "training/backward_weight",
    bindings: { step: "uniform", sizes: "uniform", u: "read", x: "read", dw: "read_write" },
    grid: () => [Math.ceil(cols / 4 / 32), rows / 4, 1],
  }),
  cpu: (facts) => {
    const items = Math.ceil(facts.rows / 32) * Math.ceil(facts.cols / 32);
    return [{ body: "backward_weight", constants: backwardWeight.sizes(facts), items: () => items }];
  },
};
