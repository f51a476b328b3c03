// A tokenizer's description from Mistral's tekken.json: tokens as bytes, in the order in which they are merged.
// mistral-common is the model for what the fields mean, transformers for how merges follow from ranks.

import type { ChatTemplates } from "../../files/model_files/chat_templates.ts";
import { TextList } from "../../files/text_list.ts";
import { mergesOfCuts } from "./cut_merges.ts";
import { isObject, type JsonObject, tokenizerInvalid } from "./fields.ts";
import { BYTE_LEVEL, splitOn } from "./pre_tokenizer.ts";
import { type AddedToken, surroundingTokens, type TokenizerSpec } from "./spec.ts";
import { byteSpelling } from "./token_bytes.ts";
import { TOKENS_A_STEP, TokenTable } from "./token_table.ts";
import { TokenTexts } from "./token_texts.ts";

/** What files before `special_tokens` was listed in them leave unsaid. */
const FIRST_SPECIAL = [
  ...["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"],
  ...["[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"],
  ...["[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"],
];
const BOS = "<s>";
const EOS = "</s>";
/** Ids above this are damage, not a vocabulary; longer tokens too, as every cut of them is looked at. */
const MAX_ID = 1 << 22;
const MAX_TOKEN_BYTES = 1024;

/** In steps. @throws MoloraError `tokenizer_invalid` where a part is missing or malformed. */
export function* tekkenSpec(
  tekken: JsonObject,
  { chatTemplate, toolTemplate }: ChatTemplates,
): Generator<undefined, TokenizerSpec> {
  const config = isObject(tekken.config) ? tekken.config : {};
  const specials = count(config, "default_num_special_tokens");
  const size = count(config, "default_vocab_size");
  if (typeof config.pattern !== "string") throw tokenizerInvalid("tekken.json names no pattern");
  if (size <= specials) throw tokenizerInvalid(`tekken.json has ${size} tokens, ${specials} of them special`);
  const added = specialTokens(tekken.special_tokens, specials);
  const ranked = yield* rankedTokens(tekken.vocab, size - specials);
  const ids = Int32Array.from(ranked, (_, rank) => specials + rank);
  const vocab = yield* TokenTable.of(TextList.of(ranked), ids);
  // Of every token the pairs of tokens that make it, in the order of their ranks.
  const merges = yield* mergesOfCuts(
    vocab,
    () => true,
    ([left, right, both], [otherLeft, otherRight, other]) => both - other || left - otherLeft || right - otherRight,
  );
  const idOf = (text: string) => added.find(({ content }) => content === text)?.id;
  return {
    json: {
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: { type: "Sequence", pretokenizers: [splitOn(config.pattern), BYTE_LEVEL] },
      post_processor: surroundingTokens(idOf(BOS) === undefined ? undefined : BOS, undefined),
      decoder: { type: "ByteLevel" },
      // A piece that is a token is that token, whatever merges lead to.
      model: { type: "BPE", vocab, merges, ignore_merges: true },
    },
    tokens: new TokenTexts(vocab, new Map(added.map(({ id, content }) => [id, content]))),
    bosId: idOf(BOS),
    eosId: idOf(EOS),
    chatTemplate,
    toolTemplate,
  };
}

function count(config: JsonObject, name: string): number {
  const value = config[name];
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_ID) return value;
  throw tokenizerInvalid(`tekken.json's ${name} is ${JSON.stringify(value)}`);
}

/** Those that the file lists, and fillers up to `most`. */
function specialTokens(listed: unknown, most: number): AddedToken[] {
  const given = listed ?? FIRST_SPECIAL.map((token_str, rank) => ({ rank, token_str }));
  if (!Array.isArray(given)) throw tokenizerInvalid("tekken.json's special_tokens are no list");
  const texts = Array.from({ length: most }, (_, rank) => `<SPECIAL_${rank}>`);
  for (const entry of given) {
    const { rank, token_str: text } = isObject(entry) ? entry : {};
    if (typeof text !== "string" || text === "" || typeof rank !== "number" || texts[rank] === undefined) {
      throw tokenizerInvalid(`tekken.json has a special token of rank ${JSON.stringify(rank)}`);
    }
    texts[rank] = text;
  }
  if (new Set(texts).size < texts.length) throw tokenizerInvalid("tekken.json has a special token twice");
  return texts.map((content, id) => ({ id, content, special: true, normalized: false }));
}

/** The first `size` tokens, spelt as byte-level vocabularies spell them. */
function* rankedTokens(vocab: unknown, size: number): Generator<undefined, string[]> {
  if (!Array.isArray(vocab) || vocab.length < size) throw tokenizerInvalid(`tekken.json has fewer than ${size} tokens`);
  const tokens: string[] = [];
  for (let rank = 0; rank < size; rank++) {
    const { rank: stated, token_bytes: base64 } = isObject(vocab[rank]) ? vocab[rank] : {};
    if (stated !== rank || typeof base64 !== "string" || !/^[A-Za-z\d+/]+={0,2}$/.test(base64)) {
      throw tokenizerInvalid(`tekken.json's token ${rank} is malformed`);
    }
    const bytes = atob(base64);
    if (bytes.length > MAX_TOKEN_BYTES) throw tokenizerInvalid(`tekken.json's token ${rank} has ${bytes.length} bytes`);
    tokens.push(Array.from(bytes, (byte) => byteSpelling[byte.charCodeAt(0)]).join(""));
    if (rank % TOKENS_A_STEP === TOKENS_A_STEP - 1) yield;
  }
  return tokens;
}
