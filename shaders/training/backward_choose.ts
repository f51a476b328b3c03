// Gradient of the gates for a router's logits: straight-through for unit gates, exact for soft ones. See
// backward_choose.wgsl.

import type { Kernel } from "../kernel.ts";
import { tokenGrid } from "./backward_lora_gate.ts";
import { type ChooseFacts, chooseConstants } from "./choose.ts";

export interface BackwardChooseFacts extends ChooseFacts {
  /** Weight of the load-balancing loss. */
  balance: number;
}

export const backwardChoose: Kernel<BackwardChooseFacts> = {
  name: "training/backward_choose",
  constants: (facts) => ({ ...chooseConstants(facts), BALANCE: facts.balance }),
  wgsl: () => ({
    text: "training/backward_choose",
    bindings: {
      step: "uniform",
      whole: "uniform",
      p: "read",
      gates: "read",
      d_gates: "read",
      load: "read",
      d_logits: "read_write",
    },
    grid: tokenGrid,
  }),
  cpu: () => [{ body: "backward_choose", items: ({ tokens }) => tokens }],
};
