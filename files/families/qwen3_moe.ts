// Qwen 3 with a mixture of experts as its MLP.

import type { ExpertTensors, Family } from "./family.ts";
import { QWEN3 } from "./qwen3.ts";

export const EXPERT_TENSORS: ExpertTensors = {
  router: { hf: "mlp.gate.weight", gguf: "ffn_gate_inp.weight" },
  hf: "mlp.experts.",
  modules: {
    gate_proj: { hf: "gate_proj", gguf: "ffn_gate_exps" },
    up_proj: { hf: "up_proj", gguf: "ffn_up_exps" },
    down_proj: { hf: "down_proj", gguf: "ffn_down_exps" },
  },
};

export const QWEN3_MOE: Family = {
  architectures: ["Qwen3MoeForCausalLM"],
  config: {
    defaults: { "": { max_position_embeddings: 32768, use_sliding_window: false } },
    states: ["attention_bias", "sliding_window", "experts"],
    windowed: () => true,
  },
  gguf: { architecture: "qwen3moe", experts: { normalised: true } },
  tensors: { ...QWEN3.tensors, experts: EXPERT_TENSORS },
  facts: () => ({ qkNorm: "head" }),
};
