// RoPE on whole sequences, and back: a rotation's gradient is the inverse rotation. See rotate.wgsl.

import type { Kernel } from "../kernel.ts";
import type { HeadFacts } from "../layer/rope_kv.ts";

export interface RotateFacts extends HeadFacts {
  inverse: boolean;
}

export const rotate: Kernel<RotateFacts> = {
  name: "training/rotate",
  constants: ({ numHeads, numKvHeads, headDim, inverse }) => ({
    HEADS: numHeads,
    KV_HEADS: numKvHeads,
    HEAD_DIM: headDim,
    INVERSE: inverse,
  }),
  wgsl: ({ numHeads, numKvHeads, headDim }) => {
    const groups = Math.ceil(((numHeads + numKvHeads) * headDim) / 8 / 64);
    return {
      text: "training/rotate",
      bindings: { step: "uniform", tokens: "read", rotations: "read", qkv: "read_write" },
      grid: ({ tokens }) => [groups, tokens, 1],
    };
  },
  cpu: ({ numHeads, numKvHeads }) => [{ body: "rotate", items: ({ tokens }) => tokens * (numHeads + numKvHeads) }],
};
