// The belief router's filter over whole sequences. See belief.wgsl.

import type { Constants, Grid, Kernel } from "../kernel.ts";
import type { StepShape } from "../step.ts";

export interface BeliefFacts {
  experts: number;
  /** Values of z a token; at least experts + 1. */
  stride: number;
}

export const belief: Kernel<BeliefFacts> = {
  name: "training/belief",
  constants: beliefConstants,
  wgsl: () => ({
    text: "training/belief",
    bindings: { step: "uniform", sequences: "read", z: "read", logits: "read_write" },
    grid: sequenceGrid,
  }),
  cpu: () => [{ body: "belief", items: ({ sequences }) => sequences }],
};

export function beliefConstants({ experts, stride }: BeliefFacts): Constants {
  return { EXPERTS: experts, STRIDE: stride };
}

/** One thread a sequence. */
export function sequenceGrid({ sequences }: StepShape): Grid {
  return [Math.ceil(sequences / 64), 1, 1];
}
