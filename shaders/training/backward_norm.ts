// Gradient of RMSNorm for its input, added to the residual stream's. See backward_norm.wgsl.

import type { Kernel } from "../kernel.ts";
import { LOSS_ROW } from "./cross_entropy.ts";
import { normGrid, normItems } from "./residual_norm.ts";

export interface BackwardNormFacts {
  hidden: number;
  eps: number;
  /** dx has only the wanted rows. */
  gather: boolean;
}

export const backwardNorm: Kernel<BackwardNormFacts> = {
  name: "training/backward_norm",
  constants: ({ hidden, eps, gather }) => ({ HIDDEN: hidden, EPS: eps, GATHER: gather }),
  wgsl: ({ gather }) => ({
    text: "training/backward_norm",
    structs: [LOSS_ROW],
    bindings: { rows: "read", residual: "read", weight: "read", dx: "read", d_residual: "read_write" },
    grid: normGrid(gather),
  }),
  cpu: ({ gather }) => [{ body: "backward_norm", items: normItems(gather) }],
};
