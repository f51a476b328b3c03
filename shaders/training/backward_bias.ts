// Gradient of a router's bias, added up over tokens. See backward_bias.wgsl.

import type { Kernel } from "../kernel.ts";

export const backwardBias: Kernel<{ rows: number }> = {
  name: "training/backward_bias",
  constants: ({ rows }) => ({ ROWS: rows }),
  wgsl: ({ rows }) => ({
    text: "training/backward_bias",
    bindings: { step: "uniform", dy: "read", db: "read_write" },
    grid: () => [Math.ceil(rows / 64), 1, 1],
  }),
  cpu: ({ rows }) => [{ body: "backward_bias", items: () => Math.ceil(rows / 4) }],
};
