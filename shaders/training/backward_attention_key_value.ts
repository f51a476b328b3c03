// Gradients of causal attention for its keys and values. See backward_attention_key_value.wgsl.

import type { Kernel } from "../kernel.ts";
import type { HeadFacts } from "../layer/rope_kv.ts";
import { headConstants, headGrid, headItems } from "./causal_attention.ts";

/** Runs behind backwardAttentionQuery, which leaves it `delta`. */
export const backwardAttentionKeyValue: Kernel<HeadFacts> = {
  name: "training/backward_attention_key_value",
  constants: headConstants,
  wgsl: ({ numKvHeads }) => ({
    text: "training/backward_attention_key_value",
    bindings: {
      step: "uniform",
      tokens: "read",
      sequences: "read",
      qkv: "read",
      lse: "read",
      d_attended: "read",
      delta: "read",
      dqkv: "read_write",
    },
    grid: headGrid(numKvHeads),
  }),
  cpu: ({ numKvHeads }) => [{ body: "backward_attention_key_value", items: headItems(numKvHeads) }],
};
