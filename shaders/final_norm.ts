// The last RMSNorm, for the tokens whose logits are wanted, gathered into rows. See final_norm.wgsl.
// It knows nothing of what the logits are for.

import type { Grid } from "../engine/gpu/program.ts";
import { activationFragment } from "./activation_form.ts";
import { type Build, compose } from "./compose.ts";
import type { NormFacts } from "./norm.ts";
import { LOGIT_ROW_WORDS } from "./sample.ts";
import type { StepShape } from "./step.ts";

const OWN = {
  step: "uniform",
  logit_rows: "read",
  residual: "read",
  output: "read",
  weight: "read",
  x: "read_write",
} as const;

export function finalNorm({ hidden, eps, lora, activations }: Omit<NormFacts, "add">): Build {
  return compose("final_norm", OWN, { HIDDEN: hidden, EPS: eps, LOGIT_ROW: LOGIT_ROW_WORDS }, [
    lora,
    activationFragment(activations),
  ]);
}

export function finalNormGrid(shape: StepShape): Grid {
  return [shape.rows, 1, 1];
}
