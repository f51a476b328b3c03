// Phi 3, 3.5 and 4-mini: a Llama whose q, k and v are one tensor and whose gate and up are another; in some RoPE rotates
// the beginning of a head only.

import type { Family } from "./family.ts";
import { LLAMA } from "./llama.ts";

export const PHI3: Family = {
  architectures: ["Phi3ForCausalLM"],
  config: {
    defaults: { "": { max_position_embeddings: 4096, rms_norm_eps: 1e-5 } },
    states: ["attention_bias", "sliding_window", "partial_rotary_factor"],
    windowed: () => true,
  },
  gguf: { architecture: "phi3", windowed: () => true },
  tensors: {
    ...LLAMA.tensors,
    fused: [
      { hf: "self_attn.qkv_proj", gguf: "attn_qkv", modules: ["q_proj", "k_proj", "v_proj"] },
      { hf: "mlp.gate_up_proj", gguf: "ffn_up", modules: ["gate_proj", "up_proj"] },
    ],
  },
};
