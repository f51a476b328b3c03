// From a router's logits to the gate of every expert, over whole sequences. See choose.wgsl.
// It knows nothing of what the experts are.

import type { Constants } from "../../engine/gpu/kernel.ts";
import type { GateRule } from "../../router/mixture.ts";
import { type Build, compose } from "../compose.ts";

const OWN = { step: "uniform", logits: "read", p: "read_write", gates: "read_write" } as const;

export interface ChooseFacts {
  experts: number;
  /** Values of the logits a token; at least experts. */
  stride: number;
  rule: GateRule;
}

/** Launched with tokenGrid. */
export function choose(facts: ChooseFacts): Build {
  return compose("training/choose", OWN, chooseConstants(facts));
}

export function chooseConstants({ experts, stride, rule }: ChooseFacts): Constants {
  return {
    EXPERTS: experts,
    STRIDE: stride,
    TOP_K: rule.topK,
    SOFT: rule.gate === "softmax",
    TEMPERATURE: rule.temperature,
  };
}
