// Gradient of SwiGLU for gate and up, in their place. See backward_swiglu.wgsl.

import type { Kernel } from "../kernel.ts";
import { elementGrid } from "./add.ts";

export const backwardSwiglu: Kernel<{ ffn: number }> = {
  name: "training/backward_swiglu",
  constants: ({ ffn }) => ({ FFN: ffn }),
  wgsl: ({ ffn }) => ({
    text: "training/backward_swiglu",
    bindings: { step: "uniform", dy: "read", gate_up: "read_write" },
    grid: elementGrid(ffn),
  }),
  cpu: () => [{ body: "backward_swiglu", items: ({ tokens }) => tokens }],
};
