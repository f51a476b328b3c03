// The last RMSNorm, for the tokens whose logits are wanted, gathered into rows. See final_norm.wgsl.

import type { Kernel } from "../kernel.ts";
import { loraConstants, loraFragment } from "../lora/lora_form.ts";
import type { NormFacts } from "./norm.ts";

export const finalNorm: Kernel<Omit<NormFacts, "add">> = {
  name: "final_norm",
  constants: ({ hidden, eps, lora }) => ({ HIDDEN: hidden, EPS: eps, ...loraConstants(lora) }),
  wgsl: ({ lora }) => ({
    text: "layer/final_norm",
    bindings: {
      step: "uniform",
      logit_rows: "read",
      residual: "read",
      output: "read",
      weight: "read",
      x: "read_write",
    },
    fragments: [loraFragment(lora)],
    grid: ({ rows }) => [rows, 1, 1],
  }),
  cpu: () => [{ body: "final_norm", items: ({ rows }) => rows }],
};
