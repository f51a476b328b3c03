// Cross-entropy of a router's choices to given targets, and its gradient for the gate's outputs. See label_loss.wgsl.

import type { Kernel } from "../kernel.ts";

export interface LabelLossFacts {
  experts: number;
  /** Values of dz a token; at least the gate's outputs. */
  stride: number;
  belief: boolean;
}

/** Bytes of a sequence's report. */
export const REPORT_BYTES = 16;

export const labelLoss: Kernel<LabelLossFacts> = {
  name: "training/label_loss",
  constants: ({ experts, stride, belief }) => ({ EXPERTS: experts, STRIDE: stride, BELIEF: belief }),
  wgsl: () => ({
    text: "training/label_loss",
    bindings: {
      step: "uniform",
      sequences: "read",
      targets: "read",
      evidence: "read",
      dz: "read_write",
      report: "read_write",
    },
    grid: ({ sequences }) => [sequences, 1, 1],
  }),
  cpu: () => [{ body: "label_loss", items: ({ sequences }) => sequences }],
};
