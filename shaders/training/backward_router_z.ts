// Gradient of the router z-loss, which keeps a gate's outputs small. See backward_router_z.wgsl.
// It knows nothing of the choice made from them.

import { type Build, compose } from "../compose.ts";
import type { BeliefFacts } from "./belief.ts";

/** Launched with tokenGrid. */
export function backwardRouterZ({ experts, stride }: BeliefFacts, weight: number): Build {
  const own = { step: "uniform", whole: "uniform", z: "read", dz: "read_write" } as const;
  return compose("training/backward_router_z", own, { EXPERTS: experts, STRIDE: stride, WEIGHT: weight });
}
