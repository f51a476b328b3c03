// A tokenizer's description from a Hugging Face folder: tokenizer.json, tokenizer_config.json, the chat template.
// transformers is the model for which field means what.

import type { ChatTemplates } from "../../files/model_files/chat_templates.ts";
import {
  type AddedToken,
  type BpeModel,
  isObject,
  type JsonObject,
  surroundingTokens,
  type TokenizerJson,
  type TokenizerSpec,
  tokenizerInvalid,
  type UnigramModel,
} from "./spec.ts";
import { unigramVocabulary } from "./unigram.ts";

/** Ids above this are damage, not a vocabulary. */
const MAX_ID = 1 << 22;

/** @throws MoloraError `tokenizer_invalid` where a part is missing, malformed or of an unsupported kind. */
export function huggingFaceSpec(
  tokenizer: JsonObject,
  config: JsonObject | undefined,
  { chatTemplate, toolTemplate }: ChatTemplates,
): TokenizerSpec {
  const model = modelOf(tokenizer.model);
  const added = addedTokens(tokenizer.added_tokens);
  const tokens: (string | undefined)[] = [];
  const ids = new Map<string, number>();
  const place = (text: string, id: unknown) => {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > MAX_ID) {
      throw tokenizerInvalid(`token ${JSON.stringify(text)} has the id ${id}`);
    }
    tokens[id] = text;
    ids.set(text, id);
  };
  if (model.type === "Unigram") for (const [id, [text]] of unigramVocabulary(model).entries()) place(text, id);
  else for (const [text, id] of Object.entries(model.vocab)) place(text, id);
  for (const token of added) place(token.content, token.id);

  const bos = namedToken(config?.bos_token);
  const eos = namedToken(config?.eos_token);
  const json: TokenizerJson = {
    added_tokens: added,
    normalizer: tokenizer.normalizer ?? null,
    pre_tokenizer: tokenizer.pre_tokenizer ?? null,
    post_processor: explicitPostProcessor(config, bos, eos) ?? tokenizer.post_processor ?? null,
    decoder: tokenizer.decoder ?? null,
    model,
  };
  const idOf = (token: string | undefined) => (token === undefined ? undefined : ids.get(token));
  return { json, tokens, bosId: idOf(bos), eosId: idOf(eos), chatTemplate, toolTemplate };
}

function modelOf(model: unknown): BpeModel | UnigramModel {
  if (!isObject(model)) throw tokenizerInvalid("tokenizer.json has no model");
  // Files written before the field existed say BPE by having merges.
  const type = model.type ?? (Array.isArray(model.merges) ? "BPE" : "none");
  if (type === "Unigram") {
    if (!Array.isArray(model.vocab)) throw tokenizerInvalid("tokenizer.json's Unigram model lacks vocab");
    return { ...model, type, vocab: model.vocab };
  }
  if (type !== "BPE") {
    throw tokenizerInvalid(`model type "${type}" is not supported`, {
      remedy: 'Use a model whose tokenizer.json says "type": "BPE" or "Unigram".',
    });
  }
  if (!isObject(model.vocab) || !Array.isArray(model.merges)) {
    throw tokenizerInvalid("tokenizer.json's BPE model lacks vocab or merges");
  }
  return { ...model, type, vocab: model.vocab };
}

const ADDED_FLAGS = ["special", "normalized", "lstrip", "rstrip", "single_word"];

export function addedTokens(list: unknown): AddedToken[] {
  if (list === undefined || list === null) return [];
  const valid = (token: unknown): token is AddedToken =>
    isObject(token) &&
    typeof token.content === "string" &&
    token.content !== "" &&
    ADDED_FLAGS.every((flag) => typeof (token[flag] ?? false) === "boolean");
  if (!Array.isArray(list) || !list.every(valid)) throw tokenizerInvalid("tokenizer.json's added_tokens are malformed");
  return list.map((token) => ({ ...token, special: token.special === true }));
}

/** tokenizer_config.json names a token by its text or by an object that holds it. */
export function namedToken(value: unknown): string | undefined {
  const text = isObject(value) ? value.content : value;
  return typeof text === "string" ? text : undefined;
}

/** An explicit `add_bos_token` outweighs tokenizer.json's post-processor; where it is absent, the latter decides. */
function explicitPostProcessor(
  config: JsonObject | undefined,
  bos: string | undefined,
  eos: string | undefined,
): JsonObject | undefined {
  if (typeof config?.add_bos_token !== "boolean") return undefined;
  const addEos = config.add_eos_token === true;
  if (config.add_bos_token && bos === undefined) throw tokenizerInvalid("add_bos_token is set without a bos_token");
  if (addEos && eos === undefined) throw tokenizerInvalid("add_eos_token is set without an eos_token");
  return surroundingTokens(config.add_bos_token ? bos : undefined, addEos ? eos : undefined);
}
