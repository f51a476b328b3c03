// Rotates q and k by position, adds the LoRA deltas of q, k and v, and writes k and v into their pages. See rope_kv.wgsl.

import type { Kernel } from "../kernel.ts";
import { type LoraUse, loraConstants, loraFragment } from "../lora/lora_form.ts";

export interface HeadFacts {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

export interface RopeKvFacts extends HeadFacts {
  lora: LoraUse;
}

export const ropeKv: Kernel<RopeKvFacts> = {
  name: "rope_kv",
  constants: ({ numHeads, numKvHeads, headDim, lora }) => ({
    HEADS: numHeads,
    KV_HEADS: numKvHeads,
    HEAD_DIM: headDim,
    ...loraConstants(lora),
  }),
  wgsl: ({ numHeads, numKvHeads, headDim, lora }) => {
    const threads = ((numHeads + 2 * numKvHeads) * headDim) / 8;
    return {
      text: "layer/rope_kv",
      bindings: {
        step: "uniform",
        tokens: "read",
        qkv: "read",
        rotations: "read",
        q: "read_write",
        pool: "read_write",
      },
      fragments: [loraFragment(lora, true)],
      grid: ({ tokens }) => [Math.ceil(threads / 64), tokens, 1],
    };
  },
  cpu: ({ numHeads, numKvHeads }) => [{ body: "rope_kv", items: ({ tokens }) => tokens * (numHeads + 2 * numKvHeads) }],
};
