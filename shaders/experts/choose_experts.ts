// Which of a layer's own experts each token takes, and at what weight. See choose_experts.wgsl.

import type { Kernel } from "../kernel.ts";

export interface ChooseExpertsFacts {
  /** E */
  experts: number;
  /** K: of them a token takes. */
  used: number;
  /** The weights of those taken sum to 1. */
  normalised: boolean;
}

export const chooseExperts: Kernel<ChooseExpertsFacts> = {
  name: "choose_experts",
  constants: ({ experts, used, normalised }) => ({ EXPERTS: experts, USED: used, NORMALISED: normalised }),
  wgsl: () => ({
    text: "experts/choose_experts",
    bindings: { step: "uniform", logits: "read", chosen: "read_write", weights: "read_write" },
    grid: ({ tokens }) => [Math.ceil(tokens / 64), 1, 1],
  }),
  cpu: () => [{ body: "choose_experts", items: ({ tokens }) => tokens }],
};
