// What is left to the tokenizers library: its normalizers, its rarer pre-tokenizers, Oniguruma's patterns as JavaScript's.

import { Tokenizer as Library } from "@huggingface/tokenizers";
import { type JsonObject, tokenizerInvalid } from "./fields.ts";

/** A normalizer of tokenizer.json, its fields checked before. */
export function libraryNormalizer(node: JsonObject): (text: string) => string {
  const { normalizer } = open({ normalizer: node });
  return (text) => String(normalizer?.(text));
}

/** A pre-tokenizer of tokenizer.json, its fields checked before. */
export function libraryPreTokenizer(node: JsonObject): (text: string) => string[] {
  const { pre_tokenizer } = open({ pre_tokenizer: node });
  return (text) => Array.from(pre_tokenizer?.(text, {}) ?? [], String);
}

/** @throws MoloraError `tokenizer_invalid` where the pattern does not compile. */
export function libraryPattern(pattern: { Regex: string } | { String: string }): RegExp {
  const { pre_tokenizer } = open({ pre_tokenizer: { type: "Split", pattern, behavior: "Isolated", invert: true } });
  const compiled = pre_tokenizer !== null && "pattern" in pre_tokenizer ? pre_tokenizer.pattern : undefined;
  if (compiled instanceof RegExp) return compiled;
  throw tokenizerInvalid(`the pattern ${JSON.stringify(Object.values(pattern)[0])} does not compile`);
}

interface Opened {
  normalizer: ((text: string) => unknown) | null;
  pre_tokenizer: ((text: string, options: object) => Iterable<unknown>) | null;
}

/** A tokenizer of no words: only what goes before the model is used. */
function open(parts: { normalizer?: JsonObject; pre_tokenizer?: JsonObject }): Opened {
  const model = { type: "BPE", vocab: {}, merges: [], ignore_merges: false };
  const rest = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  try {
    return new Library({ ...rest, ...parts, model }, {}) as Opened;
  } catch (cause) {
    throw tokenizerInvalid(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
