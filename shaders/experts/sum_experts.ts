// A token's experts into one output, each at its weight. See sum_experts.wgsl.

import type { Kernel } from "../kernel.ts";

export interface SumExpertsFacts {
  hidden: number;
  used: number;
}

export const sumExperts: Kernel<SumExpertsFacts> = {
  name: "sum_experts",
  constants: ({ hidden, used }) => ({ HIDDEN: hidden, USED: used }),
  wgsl: ({ hidden }) => ({
    text: "experts/sum_experts",
    bindings: { step: "uniform", parts: "read", weights: "read", output: "read_write" },
    grid: ({ tokens }) => [Math.ceil(hidden / 256), tokens, 1],
  }),
  cpu: () => [{ body: "sum_experts", items: ({ tokens }) => tokens }],
};
