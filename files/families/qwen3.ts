// Qwen 3: a Llama with RMSNorms on each head of q and k.

import type { Family } from "./family.ts";
import { LLAMA } from "./llama.ts";

export const QK_NORMS = {
  query: { hf: "self_attn.q_norm.weight", gguf: "attn_q_norm.weight" },
  key: { hf: "self_attn.k_norm.weight", gguf: "attn_k_norm.weight" },
};

export const QWEN3: Family = {
  architectures: ["Qwen3ForCausalLM"],
  config: {
    defaults: { "": { max_position_embeddings: 32768, use_sliding_window: false, head_dim: 128 } },
    states: ["attention_bias", "sliding_window"],
    windowed: (layer, { from }) => layer >= from,
  },
  gguf: { architecture: "qwen3" },
  tensors: {
    ...LLAMA.tensors,
    norms: {
      ...LLAMA.tensors.norms,
      ...QK_NORMS,
    },
  },
  facts: () => ({ qkNorm: "head" }),
};
