// SwiGLU: silu(gate) · up, with the LoRA deltas of both folded in. See activation.wgsl.

import type { Kernel } from "../kernel.ts";
import { type LoraUse, loraConstants, loraFragment } from "../lora/lora_form.ts";

export interface ActivationFacts {
  ffn: number;
  lora: LoraUse;
}

export const activation: Kernel<ActivationFacts> = {
  name: "activation",
  constants: ({ ffn, lora }) => ({ FFN: ffn, ...loraConstants(lora) }),
  wgsl: ({ ffn, lora }) => ({
    text: "layer/activation",
    bindings: { step: "uniform", gate_up: "read", x: "read_write" },
    fragments: [loraFragment(lora)],
    grid: ({ tokens }) => [Math.ceil(ffn / 256), tokens, 1],
  }),
  cpu: ({ ffn }) => [{ body: "activation", items: ({ tokens }) => tokens * Math.ceil(ffn / 256) }],
};
