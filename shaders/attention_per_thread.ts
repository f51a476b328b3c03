// Attention for many tokens of whole texts on a software adapter. See attention_per_thread.wgsl.
// It knows nothing of adapters, nor of how pages are handed out.

import type { Grid } from "../engine/gpu/program.ts";
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

/** Its sums run in another order than `attention`'s: the two agree to rounding, not to the bit. */
export function attentionPerThread({ numHeads, numKvHeads, headDim }: HeadFacts): Build {
  const constants = { HEADS: numHeads, KV_HEADS: numKvHeads, HEAD_DIM: headDim, SCALE: 1 / Math.sqrt(headDim) };
  return compose("attention_per_thread", OWN, constants);
}

export function attentionPerThreadGrid(numHeads: number): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil(tokens / 64), numHeads, 1];
}
