// Gradients of LoRA's gates and of the hidden values behind them. See backward_lora_gate.wgsl.

import type { Grid } from "../kernel.ts";
import type { StepShape } from "../step.ts";
import type { SizedKernel } from "./sizes.ts";

export interface LoraGateFacts {
  /** Of all experts together. */
  ranks: number;
  /** The stride of the gates. */
  experts: number;
}

export const backwardLoraGate: SizedKernel<LoraGateFacts> = {
  name: "training/backward_lora_gate",
  sizes: ({ ranks, experts }) => ({ RANKS: ranks, EXPERTS: experts }),
  constants: () => ({}),
  wgsl: () => ({
    text: "training/backward_lora_gate",
    bindings: {
      step: "uniform",
      sizes: "uniform",
      owners: "read",
      gates: "read",
      hidden: "read",
      d: "read_write",
      d_gates: "read_write",
    },
    grid: tokenGrid,
  }),
  cpu: (facts) => [
    { body: "backward_lora_gate", constants: backwardLoraGate.sizes(facts), items: ({ tokens }) => tokens },
  ],
};

/** One thread a token: the grid of every kernel that has no more of them. */
export function tokenGrid({ tokens }: StepShape): Grid {
  return [Math.ceil(tokens / 64), 1, 1];
}
