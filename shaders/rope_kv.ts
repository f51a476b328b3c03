// Rotates q and k by position, adds the LoRA deltas of q, k and v, and writes k and v into their pages. See rope_kv.wgsl.
// It knows nothing of how pages are handed out.

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose, type Fragment } from "./compose.ts";
import type { StepShape } from "./step.ts";

const OWN = {
  step: "uniform",
  tokens: "read",
  qkv: "read",
  rotations: "read",
  q: "read_write",
  pool: "read_write",
} as const;

export interface HeadFacts {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

export function ropeKv({ numHeads, numKvHeads, headDim }: HeadFacts, lora: Fragment): Build {
  return compose("rope_kv", OWN, { HEADS: numHeads, KV_HEADS: numKvHeads, HEAD_DIM: headDim }, [lora]);
}

export function ropeKvGrid({ numHeads, numKvHeads, headDim }: HeadFacts): (shape: StepShape) => Grid {
  const threads = ((numHeads + 2 * numKvHeads) * headDim) / 8;
  return (shape) => [Math.ceil(threads / 64), shape.tokens, 1];
}
