// The activation of a router's hidden layer. See silu.wgsl.

import type { Kernel } from "../kernel.ts";
import { elementGrid } from "./add.ts";

export const silu: Kernel<{ width: number }> = {
  name: "training/silu",
  constants: ({ width }) => ({ WIDTH: width }),
  wgsl: ({ width }) => ({
    text: "training/silu",
    bindings: { step: "uniform", x: "read", y: "read_write" },
    grid: elementGrid(width),
  }),
  cpu: () => [{ body: "silu", items: ({ tokens }) => tokens }],
};
