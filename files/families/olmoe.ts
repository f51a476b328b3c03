// OLMoE: a mixture of experts as the MLP, and RMSNorms over all heads of q and of k at once.

import type { Family } from "./family.ts";
import { QWEN3 } from "./qwen3.ts";
import { EXPERT_TENSORS } from "./qwen3_moe.ts";

export const OLMOE: Family = {
  architectures: ["OlmoeForCausalLM"],
  config: {
    defaults: { "": { rms_norm_eps: 1e-5, max_position_embeddings: 4096 } },
    states: ["attention_bias", "clip_qkv", "experts"],
  },
  gguf: { architecture: "olmoe", experts: { normalised: false } },
  tensors: { ...QWEN3.tensors, experts: EXPERT_TENSORS },
  facts: () => ({ qkNorm: "projection" }),
};
