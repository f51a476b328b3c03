// The sum of squares of one flat array, in parts: the gradient's norm. See squares.wgsl.

import type { Kernel } from "../kernel.ts";

/** Parts to be added up, a multiple of the workgroup's 64. */
export const PARTIALS = 1024;

/** `count`: elements, a multiple of 4. */
export const squares: Kernel<{ count: number }, void> = {
  name: "training/squares",
  constants: ({ count }) => ({ COUNT: count, PARTIALS }),
  wgsl: () => ({
    text: "training/squares",
    bindings: { values: "read", partials: "read_write" },
    grid: () => [PARTIALS / 64, 1, 1],
  }),
  cpu: () => [{ body: "squares", items: () => PARTIALS }],
};
