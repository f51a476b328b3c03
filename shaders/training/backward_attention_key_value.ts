// Gradients of causal attention for its keys and values. See backward_attention_key_value.wgsl.
// It knows nothing of the rotation, which is undone afterwards.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { HeadFacts } from "../rope_kv.ts";
import type { StepShape } from "../step.ts";
import { headConstants } from "./causal_attention.ts";

const OWN = {
  step: "uniform",
  tokens: "read",
  sequences: "read",
  qkv: "read",
  lse: "read",
  d_attended: "read",
  delta: "read",
  dqkv: "read_write",
} as const;

/** Launched behind backwardAttentionQuery, which leaves it `delta`. */
export function backwardAttentionKeyValue(heads: HeadFacts): Build {
  return compose("training/backward_attention_key_value", OWN, headConstants(heads));
}

export function backwardAttentionKeyValueGrid({ numKvHeads }: HeadFacts): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil((tokens * numKvHeads) / 64), 1, 1];
}
