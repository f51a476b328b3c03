// From a router's logits to the gate of every expert, over whole sequences. See choose.wgsl.

import type { Constants, Kernel } from "../kernel.ts";
import { tokenGrid } from "./backward_lora_gate.ts";

/** How p becomes gates: the k best kept, at 1 / k each or by their p renormalised. */
export interface ChoiceRule {
  topK: number;
  gate: "unit" | "softmax";
  temperature: number;
}

export interface ChooseFacts {
  experts: number;
  /** Values of the logits a token; at least experts. */
  stride: number;
  rule: ChoiceRule;
}

export const choose: Kernel<ChooseFacts> = {
  name: "training/choose",
  constants: chooseConstants,
  wgsl: () => ({
    text: "training/choose",
    bindings: { step: "uniform", logits: "read", p: "read_write", gates: "read_write" },
    grid: tokenGrid,
  }),
  cpu: () => [{ body: "choose", items: ({ tokens }) => tokens }],
};

export function chooseConstants({ experts, stride, rule }: ChooseFacts): Constants {
  return {
    EXPERTS: experts,
    STRIDE: stride,
    TOP_K: rule.topK,
    SOFT: rule.gate === "softmax",
    TEMPERATURE: rule.temperature,
  };
}
