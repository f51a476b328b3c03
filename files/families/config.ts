// What a decoder-only transformer is, as everything below and above agrees on: readers of config.json and of GGUF
// metadata both produce it.

import type { Facts } from "./facts.ts";

/** How RoPE's frequencies are stretched, as Hugging Face's `rope_scaling` / `rope_parameters` state it. */
export type RopeScaling =
  | { type: "none" }
  | { type: "linear"; factor: number }
  | { type: "llama3"; factor: number; lowFreqFactor: number; highFreqFactor: number; originalContext: number }
  | YarnScaling
  | LongScaling
  /** Frequency i is divided by factor i: how GGUF files of Llama 3 say it. */
  | { type: "factors"; factors: readonly number[] };

/** YaRN (Peng 2023): slow waves are stretched, fast ones kept, those between blended. */
export interface YarnScaling {
  type: "yarn";
  factor: number;
  originalContext: number;
  /** Turns within the original context from which waves are kept, and up to which they are stretched whole. */
  betaFast: number;
  betaSlow: number;
  /** cos and sin are multiplied by it. */
  attentionFactor: number;
  /** The range between is widened to whole frequencies. */
  truncate: boolean;
}

/** LongRoPE (Ding 2024): one divisor a frequency, others beyond the original context than within it. */
export interface LongScaling {
  type: "longrope";
  originalContext: number;
  shortFactors: readonly number[];
  longFactors: readonly number[];
  /** cos and sin are multiplied by it. */
  attentionFactor: number;
}

/** Shape and constants of a model. Sizes in elements. What is not plain Llama stands among the facts. */
export interface ModelConfig extends Facts {
  /** transformers' class that stands for the family, "LlamaForCausalLM". */
  architecture: string;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  numKvHeads: number;
  headDim: number;
  intermediateSize: number;
  vocabSize: number;
  /** Longest sequence, prompt and output together, in tokens. */
  contextLength: number;
  normEps: number;
  ropeTheta: number;
  ropeScaling: RopeScaling;
  /** The output head is the embedding table. */
  tieEmbeddings: boolean;
  bosId: number | undefined;
  /** Any of these ends a generation. */
  eosIds: number[];
}
