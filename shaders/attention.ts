// Paged causal attention with grouped queries, for prefill and decode alike. See attention.wgsl.
// It knows nothing of adapters, nor of how pages are handed out.

import type { Grid } from "../engine/gpu/program.ts";
import { type ActivationForm, activationFragment } from "./activation_form.ts";
import { type Build, compose } from "./compose.ts";
import type { HeadFacts } from "./rope_kv.ts";
import type { StepShape } from "./step.ts";

const OWN = {
  step: "uniform",
  tokens: "read",
  sequences: "read",
  blocks: "read",
  q: "read",
  pool: "read",
  x: "read_write",
} as const;

export function attention({ numHeads, numKvHeads, headDim }: HeadFacts, activations: ActivationForm): Build {
  const columns = headDim / 4;
  const constants = {
    HEADS: numHeads,
    KV_HEADS: numKvHeads,
    HEAD_DIM: headDim,
    // Whole columns of V to a workgroup of about 64 threads, so that no thread idles in the second half.
    WORKGROUP: columns * Math.max(1, Math.floor(64 / columns)),
    SCALE: 1 / Math.sqrt(headDim),
  };
  return compose("attention", OWN, constants, [activationFragment(activations)]);
}

export function attentionGrid(numHeads: number): (shape: StepShape) => Grid {
  return (shape) => [numHeads, shape.tokens, 1];
}
