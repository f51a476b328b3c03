// What every source of a tokenizer is turned into before one is built: tokenizer.json and the facts that lie beside it.
// huggingface.ts and gguf.ts fill it in; tokenizer.ts encodes with it.

import type { JsonObject } from "./fields.ts";
import type { Merges } from "./merges.ts";
import type { TokenTable } from "./token_table.ts";
import type { TokenTexts } from "./token_texts.ts";

export interface TokenizerSpec {
  /** In the form of a Hugging Face tokenizer.json whose model is BPE or Unigram. */
  json: TokenizerJson;
  tokens: TokenTexts;
  bosId: number | undefined;
  eosId: number | undefined;
  /** Jinja source. */
  chatTemplate: string | undefined;
  /** The same for conversations with tools, where it is another one. */
  toolTemplate: string | undefined;
}

/** The parts of tokenizer.json that are read. */
export interface TokenizerJson {
  added_tokens: AddedToken[];
  normalizer: unknown;
  pre_tokenizer: unknown;
  post_processor: unknown;
  decoder: unknown;
  model: BpeModel | UnigramModel;
}

/** TokenTable and merges are checked; the rest is bpe.ts's to check. */
export type BpeModel = JsonObject & { type: "BPE"; vocab: TokenTable; merges: Merges };

/** Tokens and the score of each id. */
export type UnigramModel = JsonObject & { type: "Unigram"; vocab: TokenTable; scores: Float64Array };

export interface AddedToken {
  id: number;
  content: string;
  /** Control tokens: recognised in text, left out of decoded text on request. */
  special: boolean;
  [property: string]: unknown;
}

/** How families spell tokens that open and close turns: `<|user|>`, `<｜User｜>`, `[INST]`, `<start_of_turn>`. */
const LOOKS_LIKE_CONTROL = /^(<[|｜].*[|｜]>|\[\/?[A-Z_]+\]|<(start|end)_of_[a-z_]+>)$/s;

/**
 * Tokens that steer a model, which nobody's text may become by spelling them: the special ones; BOS, EOS and added ones
 * that look like them whatever their file says, since many files call the marks of a turn ordinary.
 */
export function controlTokens({ json, bosId, eosId }: TokenizerSpec): AddedToken[] {
  return json.added_tokens.filter(
    ({ id, content, special }) => special || id === bosId || id === eosId || LOOKS_LIKE_CONTROL.test(content),
  );
}

/** A post-processor that puts `bos` before and `eos` after a text, where given. */
export function surroundingTokens(bos: string | undefined, eos: string | undefined): JsonObject {
  const special = (token: string | undefined) =>
    token === undefined ? [] : [{ SpecialToken: { id: token, type_id: 0 } }];
  const single = [...special(bos), { Sequence: { id: "A", type_id: 0 } }, ...special(eos)];
  return { type: "TemplateProcessing", single, pair: single, special_tokens: {} };
}
