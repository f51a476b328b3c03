// Granite: a Llama with factors on the embedding, the attention, the residual and the logits.

import type { Family } from "./family.ts";
import { LLAMA } from "./llama.ts";

export const GRANITE: Family = {
  architectures: ["GraniteForCausalLM"],
  config: {
    states: [
      "attention_bias",
      "mlp_bias",
      "embedding_multiplier",
      "attention_multiplier",
      "residual_multiplier",
      "logits_scaling",
    ],
  },
  gguf: { architecture: "granite", interleavedRope: true },
  tensors: LLAMA.tensors,
};
