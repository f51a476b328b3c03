// Cross-entropy of a router's choices to given targets, and its gradient for the gate's outputs. See label_loss.wgsl.
// It knows nothing of where targets come from.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { StepShape } from "../step.ts";

const OWN = {
  step: "uniform",
  sequences: "read",
  targets: "read",
  evidence: "read",
  dz: "read_write",
  report: "read_write",
} as const;

export interface LabelLossFacts {
  experts: number;
  /** Values of dz a token; at least the gate's outputs. */
  stride: number;
  belief: boolean;
}

/** Bytes of a sequence's report. */
export const REPORT_BYTES = 16;

export function labelLoss({ experts, stride, belief }: LabelLossFacts): Build {
  return compose("training/label_loss", OWN, { EXPERTS: experts, STRIDE: stride, BELIEF: belief });
}

export function labelLossGrid({ sequences }: StepShape): Grid {
  return [sequences, 1, 1];
}
