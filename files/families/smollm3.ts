// SmolLM3: a Llama whose every fourth layer has no RoPE.

import type { Family } from "./family.ts";
import { LLAMA } from "./llama.ts";

export const SMOLLM3: Family = {
  architectures: ["SmolLM3ForCausalLM"],
  config: {
    defaults: {
      "": { max_position_embeddings: 32768, rope_theta: 2e6, tie_word_embeddings: true, use_sliding_window: false },
    },
    states: ["attention_bias", "mlp_bias", "sliding_window", "no_rope_layers"],
  },
  gguf: { architecture: "smollm3", interleavedRope: true, unrotated: (layer) => (layer + 1) % 4 === 0 },
  tensors: LLAMA.tensors,
};
