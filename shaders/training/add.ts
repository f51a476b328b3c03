// The residual stream behind a layer. See add.wgsl.

import type { Grid, Kernel } from "../kernel.ts";
import type { StepShape } from "../step.ts";

export const add: Kernel<{ width: number }> = {
  name: "training/add",
  constants: ({ width }) => ({ WIDTH: width }),
  wgsl: ({ width }) => ({
    text: "training/add",
    bindings: { step: "uniform", left: "read", right: "read", sum: "read_write" },
    grid: elementGrid(width),
  }),
  cpu: () => [{ body: "add", items: ({ tokens }) => tokens }],
};

/** One thread for every four values of every token. */
export function elementGrid(width: number): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil((tokens * width) / 256), 1, 1];
}
