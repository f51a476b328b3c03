// What one family of decoder-only transformers is, as data: the names its files use and how they order rows.
// A new family is one more file of this type and a row in registry.ts.

import type { LoraModuleName } from "./modules.ts";

/** One thing's name in Hugging Face's checkpoints and in GGUF files. */
export interface NamePair {
  readonly hf: string;
  readonly gguf: string;
}

export interface Family {
  /** transformers' classes that compute this and nothing else. The first stands for the family, in mixtures too. */
  readonly architectures: readonly [string, ...string[]];
  readonly gguf: {
    /** `general.architecture`, and the prefix of its metadata keys. */
    readonly architecture: string;
    /** Rows of q and k are stored interleaved (rope_rows.ts). */
    readonly interleavedRope: boolean;
  };
  readonly tensors: FamilyTensors;
}

/** Names of a family's tensors. Those of a layer stand behind `layer`, the layer's number and a dot. */
export interface FamilyTensors {
  /** [vocabulary, hidden] */
  readonly embedding: NamePair;
  readonly layer: NamePair;
  /** [hidden] each: before the attention, before the MLP. */
  readonly norms: { readonly attention: NamePair; readonly mlp: NamePair };
  /** moduleShape each. Without the ".weight" behind them: the bare name is what LoRA targets and biases go by. */
  readonly modules: Readonly<Record<LoraModuleName, NamePair>>;
  /** [hidden] */
  readonly finalNorm: NamePair;
  /** [vocabulary, hidden]; absent where the embedding is the head too. */
  readonly head: NamePair;
}
