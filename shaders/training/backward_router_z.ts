// Gradient of the router z-loss, which keeps a gate's outputs small. See backward_router_z.wgsl.

import type { Kernel } from "../kernel.ts";
import { tokenGrid } from "./backward_lora_gate.ts";
import { type BeliefFacts, beliefConstants } from "./belief.ts";

export interface RouterZFacts extends BeliefFacts {
  /** Weight of the loss. */
  weight: number;
}

export const backwardRouterZ: Kernel<RouterZFacts> = {
  name: "training/backward_router_z",
  constants: (facts) => ({ ...beliefConstants(facts), WEIGHT: facts.weight }),
  wgsl: () => ({
    text: "training/backward_router_z",
    bindings: { step: "uniform", whole: "uniform", z: "read", dz: "read_write" },
    grid: tokenGrid,
  }),
  cpu: () => [{ body: "backward_router_z", items: ({ tokens }) => tokens }],
};
