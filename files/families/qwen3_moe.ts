// Qwen 3 with a mixture of experts as its MLP.

import type { Family } from "./family.ts";
import { QWEN3 } from "./qwen3.ts";

export const QWEN3_MOE: Family = {
  architectures: ["Qwen3MoeForCausalLM"],
  config: {
    defaults: { "": { max_position_embeddings: 32768, use_sliding_window: false } },
    states: ["attention_bias", "sliding_window", "experts"],
    windowed: () => true,
  },
  gguf: { architecture: "qwen3moe", experts: { normalised: true } },
  tensors: QWEN3.tensors,
  facts: () => ({ qkNorm: "head" }),
};
