// Gradients of LoRA's gates and of the hidden values behind them. See backward_lora_gate.wgsl.
// It knows nothing of how gates were chosen.

import type { Grid } from "../../engine/gpu/program.ts";
import { compose } from "../compose.ts";
import type { StepShape } from "../step.ts";
import type { SizedBuild } from "./sizes.ts";

const OWN = {
  step: "uniform",
  sizes: "uniform",
  owners: "read",
  gates: "read",
  hidden: "read",
  d: "read_write",
  d_gates: "read_write",
} as const;

export function backwardLoraGate(facts: { ranks: number; experts: number }): SizedBuild {
  return { ...compose("training/backward_lora_gate", OWN, {}), sizes: [facts.ranks, facts.experts] };
}

/** One thread a token: the grid of every kernel that has no more of them. */
export function tokenGrid({ tokens }: StepShape): Grid {
  return [Math.ceil(tokens / 64), 1, 1];
}
