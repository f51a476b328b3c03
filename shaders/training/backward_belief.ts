// Gradient of the belief router's filter for evidence and switch terms. See backward_belief.wgsl.

import type { Kernel } from "../kernel.ts";
import { type BeliefFacts, beliefConstants, sequenceGrid } from "./belief.ts";

export const backwardBelief: Kernel<BeliefFacts> = {
  name: "training/backward_belief",
  constants: beliefConstants,
  wgsl: () => ({
    text: "training/backward_belief",
    bindings: {
      step: "uniform",
      sequences: "read",
      z: "read",
      logits: "read",
      d_logits: "read",
      dz: "read_write",
    },
    grid: sequenceGrid,
  }),
  cpu: () => [{ body: "backward_belief", items: ({ sequences }) => sequences }],
};
