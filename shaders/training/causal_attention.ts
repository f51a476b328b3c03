// Causal attention with grouped queries over whole sequences, without pages. See causal_attention.wgsl.

import type { Constants, Grid, Kernel } from "../kernel.ts";
import type { HeadFacts } from "../layer/rope_kv.ts";
import type { StepShape } from "../step.ts";

export const causalAttention: Kernel<HeadFacts> = {
  name: "training/causal_attention",
  constants: headConstants,
  wgsl: ({ numHeads }) => ({
    text: "training/causal_attention",
    bindings: {
      step: "uniform",
      tokens: "read",
      sequences: "read",
      qkv: "read",
      attended: "read_write",
      lse: "read_write",
    },
    grid: headGrid(numHeads),
  }),
  cpu: ({ numHeads }) => [{ body: "causal_attention", items: headItems(numHeads) }],
};

/** One thread for every head of every token. */
export function headGrid(heads: number): (shape: StepShape) => Grid {
  return ({ tokens }) => [Math.ceil((tokens * heads) / 64), 1, 1];
}

/** On the CPU: one item for every head of 32 neighbouring tokens. */
export function headItems(heads: number): (shape: StepShape) => number {
  return ({ tokens }) => heads * Math.ceil(tokens / 32);
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
