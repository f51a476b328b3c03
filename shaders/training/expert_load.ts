// How often each expert was chosen in a step, and how likely it was. See expert_load.wgsl.

import type { Kernel } from "../kernel.ts";

export interface ExpertLoadFacts {
  experts: number;
  topK: number;
}

export const expertLoad: Kernel<ExpertLoadFacts> = {
  name: "training/expert_load",
  constants: ({ experts, topK }) => ({ EXPERTS: experts, TOP_K: topK }),
  wgsl: ({ experts }) => ({
    text: "training/expert_load",
    bindings: { step: "uniform", gates: "read", p: "read", load: "read_write" },
    grid: () => [Math.ceil(experts / 64), 1, 1],
  }),
  cpu: ({ experts }) => [{ body: "expert_load", items: () => experts }],
};
