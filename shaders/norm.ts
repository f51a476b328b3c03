// RMSNorm with the residual addition (and the LoRA delta of the layer before) folded in. See norm.wgsl.
// It knows nothing of where in the model it stands.

import type { Grid } from "../engine/gpu/program.ts";
import { type ActivationForm, activationFragment } from "./activation_form.ts";
import { type Build, compose, type Fragment } from "./compose.ts";
import type { StepShape } from "./step.ts";

export interface NormFacts {
  hidden: number;
  eps: number;
  /** Whether a linear layer's output is added to the residual first, with what `lora` gives. */
  add: boolean;
  lora: Fragment;
  activations: ActivationForm;
}

const OWN = { step: "uniform", residual: "read_write", output: "read", weight: "read", x: "read_write" } as const;

export function norm({ hidden, eps, add, lora, activations }: NormFacts): Build {
  const constants = { HIDDEN: hidden, EPS: eps, ADD: add };
  return compose("norm", OWN, constants, [lora, activationFragment(activations)]);
}

export function normGrid(shape: StepShape): Grid {
  return [shape.tokens, 1, 1];
}
