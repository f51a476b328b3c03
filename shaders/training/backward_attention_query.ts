// Gradient of causal attention for its queries. See backward_attention_query.wgsl.

import type { Kernel } from "../kernel.ts";
import type { HeadFacts } from "../layer/rope_kv.ts";
import { headConstants, headGrid, headItems } from "./causal_attention.ts";

export const backwardAttentionQuery: Kernel<HeadFacts> = {
  name: "training/backward_attention_query",
  constants: headConstants,
  wgsl: ({ numHeads }) => ({
    text: "training/backward_attention_query",
    bindings: {
      step: "uniform",
      tokens: "read",
      sequences: "read",
      qkv: "read",
      attended: "read",
      lse: "read",
      d_attended: "read",
      delta: "read_write",
      dqkv: "read_write",
    },
    grid: headGrid(numHeads),
  }),
  cpu: ({ numHeads }) => [{ body: "backward_attention_query", items: headItems(numHeads) }],
};
