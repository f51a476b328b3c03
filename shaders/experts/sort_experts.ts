// Sorts what tokens have chosen by expert, so that an expert's weights are read once for all of its tokens. See sort_experts.wgsl.

import type { Kernel } from "../kernel.ts";

export interface SortExpertsFacts {
  experts: number;
  used: number;
}

export const sortExperts: Kernel<SortExpertsFacts> = {
  name: "sort_experts",
  constants: ({ experts, used }) => ({ EXPERTS: experts, USED: used }),
  wgsl: () => ({
    text: "experts/sort_experts",
    bindings: { step: "uniform", chosen: "read", order: "read_write", bounds: "read_write" },
    grid: () => [1, 1, 1],
  }),
  cpu: () => [{ body: "sort_experts", items: () => 1 }],
};
