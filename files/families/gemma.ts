// Gemma 1, 2 and 3: an embedding multiplied by √hidden, tanh-GELU, norms stored less 1; from 2 on norms around the
// blocks and windows in some layers, in 2 soft-caps of scores and logits, in 3 norms of q and k and a second RoPE base.

import type { Facts } from "./facts.ts";
import type { Family } from "./family.ts";
import { LLAMA } from "./llama.ts";
import { QK_NORMS } from "./qwen3.ts";

const SHARED = {
  head_dim: 256,
  max_position_embeddings: 8192,
  tie_word_embeddings: true,
  hidden_act: "gelu_pytorch_tanh",
};

const scaled = (hiddenSize: number): Facts => ({ embeddingScale: Math.sqrt(hiddenSize), activation: "gelu_tanh" });

const wideScale = (sizes: { hiddenSize: number; numHeads: number }) => (sizes.hiddenSize / sizes.numHeads) ** -0.5;

export const GEMMA: Family = {
  architectures: ["GemmaForCausalLM"],
  config: { defaults: { "": SHARED }, states: ["attention_bias"], normsLessOne: true },
  gguf: { architecture: "gemma" },
  tensors: LLAMA.tensors,
  facts: ({ hiddenSize }) => scaled(hiddenSize),
};

const NORMS_AROUND = {
  attention: { hf: "input_layernorm.weight", gguf: "attn_norm.weight" },
  afterAttention: { hf: "post_attention_layernorm.weight", gguf: "post_attention_norm.weight" },
  mlp: { hf: "pre_feedforward_layernorm.weight", gguf: "ffn_norm.weight" },
  afterMlp: { hf: "post_feedforward_layernorm.weight", gguf: "post_ffw_norm.weight" },
};

export const GEMMA2: Family = {
  architectures: ["Gemma2ForCausalLM"],
  config: {
    defaults: {
      "": {
        ...SHARED,
        query_pre_attn_scalar: 256,
        sliding_window: 4096,
        attn_logit_softcapping: 50,
        final_logit_softcapping: 30,
      },
    },
    states: [
      "attention_bias",
      "sliding_window",
      "query_pre_attn_scalar",
      "attn_logit_softcapping",
      "final_logit_softcapping",
    ],
    windowed: (layer) => layer % 2 === 0,
    normsLessOne: true,
  },
  // The 27B's, of 46 layers, is that of a head of hidden / heads.
  gguf: {
    architecture: "gemma2",
    windowed: (layer) => layer % 2 === 0,
    attentionScale: (sizes) => (sizes.numLayers === 46 ? wideScale(sizes) : undefined),
  },
  tensors: { ...LLAMA.tensors, norms: NORMS_AROUND },
  facts: ({ hiddenSize }) => ({ ...scaled(hiddenSize), norms: "around" }),
};

export const GEMMA3: Family = {
  architectures: ["Gemma3ForCausalLM"],
  config: {
    defaults: {
      "": {
        ...SHARED,
        max_position_embeddings: 131072,
        rope_theta: 1e6,
        rope_local_base_freq: 10000,
        query_pre_attn_scalar: 256,
        sliding_window: 4096,
      },
    },
    // attn_logit_softcapping is none of them: transformers has the field and computes without it, so a model that sets it is refused.
    states: [
      "attention_bias",
      "sliding_window",
      "query_pre_attn_scalar",
      "final_logit_softcapping",
      "rope_local_base_freq",
    ],
    windowed: (layer, { every }) => (layer + 1) % every !== 0,
    normsLessOne: true,
  },
  // The 27B's, of 62 layers, likewise.
  gguf: {
    architecture: "gemma3",
    windowed: (layer, every) => (layer + 1) % every !== 0,
    localRopeTheta: 10000,
    attentionScale: (sizes) => (sizes.numLayers === 62 ? wideScale(sizes) : undefined),
  },
  tensors: {
    ...LLAMA.tensors,
    norms: { ...NORMS_AROUND, ...QK_NORMS },
  },
  facts: ({ hiddenSize }) => ({ ...scaled(hiddenSize), norms: "around", qkNorm: "head" }),
};
