// OLMo 2: a Llama with its norms behind the blocks, and RMSNorms over all heads of q and of k at once.

import type { Family } from "./family.ts";
import { LLAMA } from "./llama.ts";
import { QK_NORMS } from "./qwen3.ts";

export const OLMO2: Family = {
  architectures: ["Olmo2ForCausalLM"],
  config: {
    defaults: { "": { rms_norm_eps: 1e-5 } },
    states: ["attention_bias"],
  },
  gguf: { architecture: "olmo2" },
  tensors: {
    ...LLAMA.tensors,
    norms: {
      afterAttention: { hf: "post_attention_layernorm.weight", gguf: "post_attention_norm.weight" },
      afterMlp: { hf: "post_feedforward_layernorm.weight", gguf: "post_ffw_norm.weight" },
      ...QK_NORMS,
    },
  },
  facts: () => ({ norms: "after", qkNorm: "projection" }),
};
