// What one family of decoder-only transformers is, as data: the names its files use, how they order rows, what its
// layers compute. A new family is one more file of this type and a row in registry.ts.

import type { Facts } from "./facts.ts";
import type { LoraModuleName } from "./modules.ts";

/** One thing's name in Hugging Face's checkpoints and in GGUF files. */
export interface NamePair {
  readonly hf: string;
  readonly gguf: string;
}

export interface Family {
  /** transformers' classes that compute this and nothing else. The first stands for the family, in mixtures too. */
  readonly architectures: readonly [string, ...string[]];
  readonly config: ConfigFields;
  readonly gguf: GgufFields;
  readonly tensors: FamilyTensors;
  /** What all models of the family compute beyond plain Llama. */
  readonly facts?: (sizes: { hiddenSize: number }) => Facts;
}

/** How a family's config.json differs from a Llama's. */
export interface ConfigFields {
  /** transformers' defaults for absent fields, by class, where they are not Llama's; "" for all classes. */
  readonly defaults?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Fields that state facts, each read by files/model_files/hf_facts.ts. Any other field that is set and not known harmless is refused. */
  readonly states: readonly FactField[];
  /** Layers with a window, where the file does not list them as `layer_types`. Absent: it must. */
  readonly windowed?: (layer: number, stated: WindowFields) => boolean;
  /** Weights of RMSNorms are stored less 1. */
  readonly normsLessOne?: boolean;
}

/** What some files say of the layers with a window. */
export interface WindowFields {
  /** sliding_window_pattern: every so many layers one is without. */
  every: number;
  /** max_window_layers: the first layer with one. */
  from: number;
}

export type FactField =
  | "attention_bias"
  | "mlp_bias"
  | "sliding_window"
  | "partial_rotary_factor"
  | "query_pre_attn_scalar"
  | "attn_logit_softcapping"
  | "final_logit_softcapping"
  | "embedding_multiplier"
  | "attention_multiplier"
  | "residual_multiplier"
  | "logits_scaling"
  | "no_rope_layers"
  | "rope_local_base_freq"
  | "experts"
  | "clip_qkv";

export interface GgufFields {
  /** `general.architecture`, and the prefix of its metadata keys. */
  readonly architecture: string;
  /** Rows of q and k are stored interleaved (files/weights/gguf/rope_rows.ts). */
  readonly interleavedRope?: boolean;
  /** Layers without RoPE, which the metadata do not list. */
  readonly unrotated?: (layer: number) => boolean;
  /** Layers with a window, likewise. Absent: a window is refused. */
  readonly windowed?: (layer: number, every: number) => boolean;
  /** RoPE's base in those layers where the metadata do not state it. */
  readonly localRopeTheta?: number;
  /** What q·k is multiplied by in models where it is not 1/√headDim and the metadata do not state it. */
  readonly attentionScale?: (sizes: { hiddenSize: number; numHeads: number; numLayers: number }) => number | undefined;
  /** Where its MLPs are mixtures of experts: whether the weights of those a token takes sum to 1. Absent: refused. */
  readonly experts?: { readonly normalised: boolean };
}

/** Names of a family's tensors. Those of a layer stand behind `layer`, the layer's number and a dot. */
export interface FamilyTensors {
  /** [vocabulary, hidden] */
  readonly embedding: NamePair;
  readonly layer: NamePair;
  readonly norms: Readonly<Partial<Record<NormName, NamePair>>>;
  /** moduleShape each. Without the ".weight" behind them: the bare name is what LoRA targets and biases go by. */
  readonly modules: Readonly<Record<LoraModuleName, NamePair>>;
  /** Tensors that hold several modules, rows of one behind those of another. */
  readonly fused?: readonly (NamePair & { readonly modules: readonly LoraModuleName[] })[];
  /** Of layers whose MLP is a mixture of experts, in the place of their gate_proj, up_proj and down_proj. */
  readonly experts?: ExpertTensors;
  /** [hidden] */
  readonly finalNorm: NamePair;
  /** [vocabulary, hidden]; absent where the embedding is the head too. */
  readonly head: NamePair;
}

export interface ExpertTensors {
  /** [experts, hidden] */
  readonly router: NamePair;
  /** Hugging Face has a tensor for each expert, whose number stands behind it. */
  readonly hf: string;
  /** Names of an expert's modules behind that number; GGUF has one tensor [experts, out, in] of all. */
  readonly modules: Readonly<Record<ExpertModule, NamePair>>;
}

export type ExpertModule = "gate_proj" | "up_proj" | "down_proj";

/** RMSNorms of a layer: before and after its blocks ([hidden]), and of q and k (see Facts.qkNorm). */
export type NormName = "attention" | "afterAttention" | "mlp" | "afterMlp" | "query" | "key";
