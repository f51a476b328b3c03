// RoPE on whole sequences, and back: a rotation's gradient is the inverse rotation. See rotate.wgsl.
// It knows nothing of attention.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { HeadFacts } from "../rope_kv.ts";
import type { StepShape } from "../step.ts";

const OWN = { step: "uniform", tokens: "read", rotations: "read", qkv: "read_write" } as const;

export function rotate({ numHeads, numKvHeads, headDim }: HeadFacts, inverse: boolean): Build {
  const constants = { HEADS: numHeads, KV_HEADS: numKvHeads, HEAD_DIM: headDim, INVERSE: inverse };
  return compose("training/rotate", OWN, constants);
}

export function rotateGrid({ numHeads, numKvHeads, headDim }: HeadFacts): (shape: StepShape) => Grid {
  const groups = Math.ceil(((numHeads + numKvHeads) * headDim) / 8 / 64);
  return ({ tokens }) => [groups, tokens, 1];
}
