// Gradient of RMSNorm for its input, added to the residual stream's. See backward_norm.wgsl.
// It knows nothing of where in the model it stands.

import { type Build, compose } from "../compose.ts";
import type { NormFacts } from "./residual_norm.ts";

const OWN = { rows: "read", residual: "read", weight: "read", dx: "read", d_residual: "read_write" } as const;

/** Launched with normGrid. */
export function backwardNorm({ hidden, eps }: NormFacts, gather: boolean): Build {
  return compose("training/backward_norm", OWN, { HIDDEN: hidden, EPS: eps, GATHER: gather });
}
