// A tokenizer's description from a Hugging Face folder: tokenizer.json, tokenizer_config.json, the chat template.
// transformers is the model for which field means what.

import type { ChatTemplates } from "../../files/model_files/chat_templates.ts";
import { JsonMerges, JsonVocabulary } from "../../files/model_files/tokenizer_json.ts";
import { TextList } from "../../files/text_list.ts";
import { mergePair } from "./bpe_model.ts";
import { isObject, type JsonObject, tokenizerInvalid } from "./fields.ts";
import { mergesOf } from "./merges.ts";
import {
  type AddedToken,
  type BpeModel,
  surroundingTokens,
  type TokenizerJson,
  type TokenizerSpec,
  type UnigramModel,
} from "./spec.ts";
import { TOKENS_A_STEP, TokenTable } from "./token_table.ts";
import { TokenTexts } from "./token_texts.ts";
import { noScore } from "./unigram.ts";

/** Ids above this are damage, not a vocabulary. */
const MAX_ID = 1 << 22;

/** In steps. @throws MoloraError `tokenizer_invalid` where a part is missing, malformed or of an unsupported kind. */
export function* huggingFaceSpec(
  tokenizer: JsonObject,
  config: JsonObject | undefined,
  { chatTemplate, toolTemplate }: ChatTemplates,
): Generator<undefined, TokenizerSpec> {
  const model = yield* modelOf(tokenizer.model);
  const added = addedTokens(tokenizer.added_tokens);
  for (const token of added) checkId(token.content, token.id);
  const tokens = new TokenTexts(model.vocab, new Map(added.map(({ id, content }) => [id, content])));

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
  const idOf = (token: string | undefined) => (token === undefined ? undefined : tokens.idOf(token));
  return { json, tokens, bosId: idOf(bos), eosId: idOf(eos), chatTemplate, toolTemplate };
}

function* modelOf(model: unknown): Generator<undefined, BpeModel | UnigramModel> {
  if (!isObject(model)) throw tokenizerInvalid("tokenizer.json has no model");
  const { vocab, merges } = model;
  const hasMerges = Array.isArray(merges) || merges instanceof JsonMerges;
  // Files written before the field existed say BPE by having merges.
  const type = model.type ?? (hasMerges ? "BPE" : "none");
  if (type === "Unigram") {
    if (!Array.isArray(vocab)) throw tokenizerInvalid("tokenizer.json's Unigram model lacks vocab");
    return { ...model, type, ...(yield* scoredTokens(vocab)) };
  }
  if (type !== "BPE") {
    throw tokenizerInvalid(`model type "${type}" is not supported`, {
      remedy: 'Use a model whose tokenizer.json says "type": "BPE" or "Unigram".',
    });
  }
  if (!(isObject(vocab) || vocab instanceof JsonVocabulary) || !hasMerges) {
    throw tokenizerInvalid("tokenizer.json's BPE model lacks vocab or merges");
  }
  const { texts, ids } = vocab instanceof JsonVocabulary ? vocab : tokensAndIds(vocab);
  for (let i = 0; i < ids.length; i++) if (ids[i] > MAX_ID) checkId(String(texts.at(i)), ids[i]);
  const vocabulary = yield* TokenTable.of(texts, ids);
  const { pairs, texts: merged } =
    merges instanceof JsonMerges
      ? merges
      : { pairs: true, texts: TextList.of((merges as unknown[]).flatMap(mergePair)) };
  return { ...model, type, vocab: vocabulary, merges: yield* mergesOf(vocabulary, merged, pairs) };
}

function tokensAndIds(vocab: JsonObject): { texts: TextList; ids: Int32Array } {
  const entries = Object.entries(vocab);
  for (const [token, id] of entries) checkId(token, id);
  return {
    texts: TextList.of(entries.map(([token]) => token)),
    ids: Int32Array.from(entries, ([, id]) => id as number),
  };
}

function* scoredTokens(vocab: readonly unknown[]): Generator<undefined, Pick<UnigramModel, "vocab" | "scores">> {
  const texts: string[] = [];
  const scores = new Float64Array(vocab.length);
  for (const [id, entry] of vocab.entries()) {
    const [token, score] = Array.isArray(entry) ? entry : [];
    if (typeof token !== "string" || typeof score !== "number" || !Number.isFinite(score)) throw noScore(id, entry);
    texts.push(token);
    scores[id] = score;
    if (id % TOKENS_A_STEP === TOKENS_A_STEP - 1) yield;
  }
  return { vocab: yield* TokenTable.of(TextList.of(texts)), scores };
}

function checkId(text: string, id: unknown): void {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= MAX_ID) return;
  throw tokenizerInvalid(`token ${JSON.stringify(text)} has the id ${id}`);
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
