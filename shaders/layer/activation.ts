// The gated MLP: silu(gate) · up, or GELU in its place, with the LoRA deltas of both folded in. See activation.wgsl.

import type { Kernel } from "../kernel.ts";
import { type LoraUse, loraConstants, loraFragment } from "../lora/lora_form.ts";

export interface ActivationFacts {
  ffn: number;
  /** GELU by its approximation with tanh, in the place of SiLU. */
  gelu?: boolean;
  /** Rows that a token has, one an expert it takes. Default 1; more have no adapters. */
  perToken?: number;
  lora: LoraUse;
}

export const activation: Kernel<ActivationFacts> = {
  name: "activation",
  constants: ({ ffn, gelu = false, lora }) => ({ FFN: ffn, GELU: gelu, ...loraConstants(lora) }),
  wgsl: ({ ffn, perToken = 1, lora }) => ({
    text: "layer/activation",
    bindings: { step: "uniform", gate_up: "read", x: "read_write" },
    fragments: [loraFragment(lora)],
    grid: ({ tokens }) => [Math.ceil(ffn / 256), tokens * perToken, 1],
  }),
  cpu: ({ ffn, perToken = 1 }) => [
    { body: "activation", items: ({ tokens }) => tokens * perToken * Math.ceil(ffn / 256) },
  ],
};
