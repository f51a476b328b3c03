// Gradient of a router's activation, in place. See backward_silu.wgsl.

import type { Kernel } from "../kernel.ts";
import { elementGrid } from "./add.ts";

export const backwardSilu: Kernel<{ width: number }> = {
  name: "training/backward_silu",
  constants: ({ width }) => ({ WIDTH: width }),
  wgsl: ({ width }) => ({
    text: "training/backward_silu",
    bindings: { step: "uniform", x: "read", dy: "read_write" },
    grid: elementGrid(width),
  }),
  cpu: () => [{ body: "backward_silu", items: ({ tokens }) => tokens }],
};
