// Qwen 2 and 2.5: a Llama with biases on q, k and v.

import type { Family } from "./family.ts";
import { LLAMA } from "./llama.ts";

export const QWEN2: Family = {
  architectures: ["Qwen2ForCausalLM"],
  config: {
    defaults: { "": { max_position_embeddings: 32768, use_sliding_window: false } },
    states: ["sliding_window"],
    windowed: (layer, { from }) => layer >= from,
  },
  gguf: { architecture: "qwen2" },
  tensors: LLAMA.tensors,
  facts: () => ({ biases: ["q_proj", "k_proj", "v_proj"] }),
};
