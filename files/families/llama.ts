// The Llama family: Llama 1 to 3, and Mistral, SmolLM2 and others that are Llamas by another name.

import type { Family } from "./family.ts";

export const LLAMA: Family = {
  architectures: ["LlamaForCausalLM", "MistralForCausalLM"],
  config: {
    defaults: { MistralForCausalLM: { sliding_window: 4096, max_position_embeddings: 131072 } },
    states: ["attention_bias", "mlp_bias", "sliding_window"],
    windowed: () => true,
  },
  gguf: { architecture: "llama", interleavedRope: true, windowed: () => true },
  tensors: {
    embedding: { hf: "model.embed_tokens.weight", gguf: "token_embd.weight" },
    layer: { hf: "model.layers.", gguf: "blk." },
    norms: {
      attention: { hf: "input_layernorm.weight", gguf: "attn_norm.weight" },
      mlp: { hf: "post_attention_layernorm.weight", gguf: "ffn_norm.weight" },
    },
    modules: {
      q_proj: { hf: "self_attn.q_proj", gguf: "attn_q" },
      k_proj: { hf: "self_attn.k_proj", gguf: "attn_k" },
      v_proj: { hf: "self_attn.v_proj", gguf: "attn_v" },
      o_proj: { hf: "self_attn.o_proj", gguf: "attn_output" },
      gate_proj: { hf: "mlp.gate_proj", gguf: "ffn_gate" },
      up_proj: { hf: "mlp.up_proj", gguf: "ffn_up" },
      down_proj: { hf: "mlp.down_proj", gguf: "ffn_down" },
    },
    finalNorm: { hf: "model.norm.weight", gguf: "output_norm.weight" },
    head: { hf: "lm_head.weight", gguf: "output.weight" },
  },
};
