// Causal attention with grouped queries over whole sequences, without pages. See causal_attention.wgsl.
// It knows nothing of how q, k and v came about.

import type { Constants } from "../../engine/gpu/kernel.ts";
import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { HeadFacts } from "../rope_kv.ts";
import type { StepShape } from "../step.ts";

const OWN = {
  step: "uniform",
  tokens: "read",
  sequences: "read",
  qkv: "read",
  attended: "read_write",
  lse: "read_write",
} as const;

export function causalAttention(heads: HeadFacts): Build {
  return compose("training/causal_attention", OWN, headConstants(heads));
}

export function causalAttentionGrid({ numHeads }: HeadFacts): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil((tokens * numHeads) / 64), 1, 1];
}

/** HEADS, KV_HEADS, and in vec4s DIM4, a head, and ROW4, a token's q, k and v. */
export function headConstants({ numHeads, numKvHeads, headDim }: HeadFacts): Constants {
  return {
    HEADS: numHeads,
    KV_HEADS: numKvHeads,
    DIM4: headDim / 4,
    ROW4: ((numHeads + 2 * numKvHeads) * headDim) / 4,
    SCALE: 1 / Math.sqrt(headDim),
  };
}
