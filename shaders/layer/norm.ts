// RMSNorm with the residual addition (and the LoRA delta of the layer before) folded in. See norm.wgsl.

import type { Constants, Fragment, Kernel } from "../kernel.ts";
import { type LoraUse, loraConstants, loraFragment } from "../lora/lora_form.ts";

export interface NormFacts {
  hidden: number;
  eps: number;
  /** Whether a linear layer's output is added to the residual first, with its adapters' deltas. */
  add: boolean;
  /** Whether what is added is normed first, with the weight `after`. */
  after?: boolean;
  /** Whether x is the sum itself, without a norm: `weight` is not read then. */
  bare?: boolean;
  /** What is added is multiplied by it. Default 1. */
  scale?: number;
  lora: LoraUse;
}

export const norm: Kernel<NormFacts> = {
  name: "norm",
  constants: (facts) => ({ ADD: facts.add, BARE: facts.bare === true, ...normConstants(facts) }),
  wgsl: (facts) => ({
    text: "layer/norm",
    bindings: { step: "uniform", residual: "read_write", output: "read", weight: "read", x: "read_write" },
    fragments: [...rowFragments(facts), loraFragment(facts.lora)],
    grid: ({ tokens }) => [tokens, 1, 1],
  }),
  cpu: () => [{ body: "norm", items: ({ tokens }) => tokens }],
};

export function normConstants({ hidden, eps, after = false, scale = 1, lora }: Omit<NormFacts, "add">): Constants {
  return { HIDDEN: hidden, EPS: eps, AFTER: after, SCALE: scale, ...loraConstants(lora) };
}

/** Sums over a row, and the weight `after` where there is one. */
export function rowFragments({ after }: Pick<NormFacts, "after">): Fragment[] {
  const weight: Fragment = after
    ? { texts: ["layer/norm_after"], bindings: { after: "read" }, at: "AFTER_BINDING" }
    : { texts: ["layer/norm_after_none"] };
  return [{ texts: ["layer/inverse_rms", "layer/norm_row"] }, weight];
}
