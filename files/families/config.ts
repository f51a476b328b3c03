// The facts of a decoder-only transformer that everything below and above agrees on.
// It knows nothing of files' layouts: readers of config.json and of GGUF metadata both produce it.

/** Linear-rescaling facts of RoPE, as Hugging Face's `rope_scaling` / `rope_parameters` state them. */
export type RopeScaling =
  | { type: "none" }
  | { type: "linear"; factor: number }
  | { type: "llama3"; factor: number; lowFreqFactor: number; highFreqFactor: number; originalContext: number };

/** Shape and constants of a model of the Llama family. Sizes in elements. */
export interface ModelConfig {
  /** "LlamaForCausalLM". */
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
