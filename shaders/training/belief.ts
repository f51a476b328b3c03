// The belief router's filter over whole sequences. See belief.wgsl.
// It knows nothing of the gate whose outputs it reads.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { StepShape } from "../step.ts";

const OWN = { step: "uniform", sequences: "read", z: "read", logits: "read_write" } as const;

export interface BeliefFacts {
  experts: number;
  /** Values of z a token; at least experts + 1. */
  stride: number;
}

export function belief({ experts, stride }: BeliefFacts): Build {
  return compose("training/belief", OWN, { EXPERTS: experts, STRIDE: stride });
}

export function sequenceGrid({ sequences }: StepShape): Grid {
  return [Math.ceil(sequences / 64), 1, 1];
}
