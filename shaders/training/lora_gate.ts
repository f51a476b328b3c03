// Gates and scales on the hidden values of every expert's LoRA. See lora_gate.wgsl.
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
  gated: "read_write",
} as const;

/** `ranks`: of all experts together; `experts`: the stride of the gates. */
export function loraGate(facts: { ranks: number; experts: number }): SizedBuild {
  return { ...compose("training/lora_gate", OWN, {}), sizes: [facts.ranks, facts.experts] };
}

export function loraGateGrid(ranks: number): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil((tokens * ranks) / 64), 1, 1];
}
