// The last RMSNorm, for the tokens whose logits are wanted, gathered into rows. See final_norm.wgsl.

import type { Kernel } from "../kernel.ts";
import { loraFragment } from "../lora/lora_form.ts";
import { type NormFacts, normConstants, rowFragments } from "./norm.ts";

export const finalNorm: Kernel<Omit<NormFacts, "add" | "bare">> = {
  name: "final_norm",
  constants: normConstants,
  wgsl: (facts) => ({
    text: "layer/final_norm",
    bindings: {
      step: "uniform",
      logit_rows: "read",
      residual: "read",
      output: "read",
      weight: "read",
      x: "read_write",
    },
    fragments: [...rowFragments(facts), loraFragment(facts.lora)],
    grid: ({ rows }) => [rows, 1, 1],
  }),
  cpu: () => [{ body: "final_norm", items: ({ rows }) => rows }],
};
