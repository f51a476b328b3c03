// Gradient of the belief router's filter for evidence and switch terms. See backward_belief.wgsl.
// It knows nothing of the gate that they come from.

import { type Build, compose } from "../compose.ts";
import type { BeliefFacts } from "./belief.ts";

const OWN = {
  step: "uniform",
  sequences: "read",
  z: "read",
  logits: "read",
  d_logits: "read",
  dz: "read_write",
} as const;

/** Launched with sequenceGrid. */
export function backwardBelief({ experts, stride }: BeliefFacts): Build {
  return compose("training/backward_belief", OWN, { EXPERTS: experts, STRIDE: stride });
}
