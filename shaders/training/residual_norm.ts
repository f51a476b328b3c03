// RMSNorm that leaves its input as it is, since the backward pass needs it again. See residual_norm.wgsl.
// It knows nothing of where in the model it stands.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { StepShape } from "../step.ts";

const OWN = {
  rows: "read",
  residual: "read",
  output: "read",
  weight: "read",
  sum: "read_write",
  x: "read_write",
} as const;

export interface NormFacts {
  hidden: number;
  eps: number;
}

/**
 * add: `output` is added first and the sum kept; gather: x has only the wanted rows; plain: neither. Any buffer may
 * stand in for one that is not used, unless it is bound otherwise in the same launch.
 */
export function residualNorm({ hidden, eps }: NormFacts, form: "plain" | "add" | "gather"): Build {
  const constants = { HIDDEN: hidden, EPS: eps, ADD: form === "add", GATHER: form === "gather" };
  return compose("training/residual_norm", OWN, constants);
}

/** A workgroup a token, or a wanted row. */
export function normGrid(gather: boolean): (shape: StepShape) => Grid {
  return ({ tokens, rows }) => [gather ? rows : tokens, 1, 1];
}
