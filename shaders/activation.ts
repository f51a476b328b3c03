// SwiGLU: silu(gate) · up, with the LoRA deltas of both folded in. See activation.wgsl.
// It knows nothing of the layers around it.

import type { Grid } from "../engine/gpu/program.ts";
import { type ActivationForm, activationFragment } from "./activation_form.ts";
import { type Build, compose, type Fragment } from "./compose.ts";
import type { StepShape } from "./step.ts";

const OWN = { step: "uniform", gate_up: "read", x: "read_write" } as const;

export function activation(facts: { ffn: number; lora: Fragment; activations: ActivationForm }): Build {
  return compose("activation", OWN, { FFN: facts.ffn }, [facts.lora, activationFragment(facts.activations)]);
}

export function activationGrid(ffn: number): (shape: StepShape) => Grid {
  const groups = Math.ceil(ffn / 256);
  return (shape) => [groups, shape.tokens, 1];
}
