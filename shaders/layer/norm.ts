// RMSNorm with the residual addition (and the LoRA delta of the layer before) folded in. See norm.wgsl.

import type { Kernel } from "../kernel.ts";
import { type LoraUse, loraConstants, loraFragment } from "../lora/lora_form.ts";

export interface NormFacts {
  hidden: number;
  eps: number;
  /** Whether a linear layer's output is added to the residual first, with its adapters' deltas. */
  add: boolean;
  lora: LoraUse;
}

export const norm: Kernel<NormFacts> = {
  name: "norm",
  constants: ({ hidden, eps, add, lora }) => ({ HIDDEN: hidden, EPS: eps, ADD: add, ...loraConstants(lora) }),
  wgsl: ({ lora }) => ({
    text: "layer/norm",
    bindings: { step: "uniform", residual: "read_write", output: "read", weight: "read", x: "read_write" },
    fragments: [loraFragment(lora)],
    grid: ({ tokens }) => [tokens, 1, 1],
  }),
  cpu: () => [{ body: "norm", items: ({ tokens }) => tokens }],
};
