// Gates and scales on the hidden values of every expert's LoRA. See lora_gate.wgsl.

import type { LoraGateFacts } from "./backward_lora_gate.ts";
import type { SizedKernel } from "./sizes.ts";

export const loraGate: SizedKernel<LoraGateFacts> = {
  name: "training/lora_gate",
  sizes: ({ ranks, experts }) => ({ RANKS: ranks, EXPERTS: experts }),
  constants: () => ({}),
  wgsl: ({ ranks }) => ({
    text: "training/lora_gate",
    bindings: {
      step: "uniform",
      sizes: "uniform",
      owners: "read",
      gates: "read",
      hidden: "read",
      gated: "read_write",
    },
    grid: ({ tokens }) => [Math.ceil((tokens * ranks) / 64), 1, 1],
  }),
  cpu: (facts) => [{ body: "lora_gate", constants: loraGate.sizes(facts), items: ({ tokens }) => tokens }],
};
