// A base model's files, opened and checked: config, tensors, tokenizer files and a content hash.
// It knows nothing of where bytes live (source.ts) nor of what a tokenizer does with its files.

import type { ModelConfig } from "../model/config.ts";
import type { GgufValue } from "./gguf.ts";
import type { TensorSource } from "./tensor.ts";

/** What a tokenizer is made from. JSON is parsed, not yet checked. */
export type TokenizerFiles =
  | {
      kind: "hf";
      /** tokenizer.json */
      tokenizer: Record<string, unknown>;
      /** tokenizer_config.json */
      tokenizerConfig: Record<string, unknown> | undefined;
      /** chat_template.jinja, else tokenizer_config.json's `chat_template` (its "default" where it lists several). */
      chatTemplate: string | undefined;
    }
  | { kind: "gguf"; metadata: ReadonlyMap<string, GgufValue> };

/** A base model ready to be loaded: every tensor the config asks for is there, in shape and readable. */
export interface ModelFiles {
  /** For messages only. */
  name: string;
  config: ModelConfig;
  tensors: TensorSource;
  /** Identity of the base, see model_hash.ts. */
  hash: string;
  tokenizerFiles: TokenizerFiles;
}
