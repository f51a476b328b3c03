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

/** The seven linear modules of a decoder layer that a LoRA may extend, in the order the engine stores them. */
export const LORA_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] as const;
export type LoraModuleName = (typeof LORA_MODULES)[number];

/** [out, in] of a module's weight. */
export function moduleShape(config: ModelConfig, module: LoraModuleName): [out: number, inp: number] {
  const attention = config.numHeads * config.headDim;
  const kv = config.numKvHeads * config.headDim;
  switch (module) {
    case "q_proj":
      return [attention, config.hiddenSize];
    case "k_proj":
    case "v_proj":
      return [kv, config.hiddenSize];
    case "o_proj":
      return [config.hiddenSize, attention];
    case "gate_proj":
    case "up_proj":
      return [config.intermediateSize, config.hiddenSize];
    case "down_proj":
      return [config.hiddenSize, config.intermediateSize];
  }
}
