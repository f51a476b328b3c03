// RMSNorm that leaves its input as it is, since the backward pass needs it again. See residual_norm.wgsl.

import type { Grid, Kernel } from "../kernel.ts";
import type { StepShape } from "../step.ts";
import { LOSS_ROW } from "./cross_entropy.ts";

export interface ResidualNormFacts {
  hidden: number;
  eps: number;
  /**
   * add: `output` is added first and the sum kept; gather: x has only the wanted rows; plain: neither. Any buffer may
   * stand in for one that is not used, unless it is bound otherwise in the same launch.
   */
  form: "plain" | "add" | "gather";
}

export const residualNorm: Kernel<ResidualNormFacts> = {
  name: "training/residual_norm",
  constants: ({ hidden, eps, form }) => ({ HIDDEN: hidden, EPS: eps, ADD: form === "add", GATHER: form === "gather" }),
  wgsl: ({ form }) => ({
    text: "training/residual_norm",
    structs: [LOSS_ROW],
    bindings: {
      rows: "read",
      residual: "read",
      output: "read",
      weight: "read",
      sum: "read_write",
      x: "read_write",
    },
    grid: normGrid(form === "gather"),
  }),
  cpu: ({ form }) => [{ body: "residual_norm", items: normItems(form === "gather") }],
};

/** A workgroup a token, or a wanted row. */
export function normGrid(gather: boolean): (shape: StepShape) => Grid {
  const items = normItems(gather);
  return (shape) => [items(shape), 1, 1];
}

export function normItems(gather: boolean): (shape: StepShape) => number {
  return ({ tokens, rows }) => (gather ? rows : tokens);
}
