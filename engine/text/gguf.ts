// A tokenizer's description from the metadata of a GGUF file: the same tokenizer.json that its model came with.
// llama.cpp is the model for which key means what and what its absence means.

import type { ChatTemplates } from "../../files/model_files/chat_templates.ts";
import { TextList } from "../../files/text_list.ts";
import type { GgufValue } from "../../files/weights/gguf/gguf.ts";
import { tokenizerInvalid } from "./fields.ts";
import { ggufPre } from "./gguf_pre.ts";
import { type Merges, mergesOf } from "./merges.ts";
import { BYTE_LEVEL, splitOn } from "./pre_tokenizer.ts";
import { mergesOfScores } from "./score_merges.ts";
import { type AddedToken, surroundingTokens, type TokenizerJson, type TokenizerSpec } from "./spec.ts";
import { TokenTable } from "./token_table.ts";
import { TokenTexts } from "./token_texts.ts";

type Metadata = ReadonlyMap<string, GgufValue>;

/** `tokenizer.ggml.token_type`. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

/** What the supported models differ in. */
interface Kind {
  json: Pick<TokenizerJson, "normalizer" | "pre_tokenizer" | "decoder" | "model">;
  addBos: boolean;
  addEos?: boolean;
}

/** What describes the tokens of a file. */
interface Tokens {
  metadata: Metadata;
  vocabulary: TokenTable;
  /** Of each token, where the file says it. */
  types: readonly number[] | undefined;
}

/**
 * In steps.
 *
 * @throws MoloraError `tokenizer_invalid` where a key is missing, malformed, or names an unsupported model or
 * pre-tokenizer.
 */
export function* ggufSpec(
  metadata: Metadata,
  beside: Partial<ChatTemplates> = {},
): Generator<undefined, TokenizerSpec> {
  const texts = optionalTexts(metadata, "tokens");
  if (texts === undefined) throw tokenizerInvalid("tokenizer.ggml.tokens is missing");
  const vocabulary = yield* TokenTable.of(texts);
  const types = numbers(metadata, "token_type");
  const kind = yield* kindOf({ metadata, vocabulary, types });
  const bosId = tokenId(metadata, "bos_token_id", vocabulary);
  const eosId = tokenId(metadata, "eos_token_id", vocabulary);
  const addBos = flag(metadata, "add_bos_token") ?? kind.addBos;
  const addEos = flag(metadata, "add_eos_token") ?? kind.addEos ?? false;
  if (addBos && bosId === undefined) throw tokenizerInvalid("BOS is to be added, but there is no bos_token_id");
  if (addEos && eosId === undefined) throw tokenizerInvalid("EOS is to be added, but there is no eos_token_id");
  const textOf = (add: boolean, id: number | undefined) => (add && id !== undefined ? texts.at(id) : undefined);
  const template = (key: string) => {
    const source = metadata.get(key);
    return typeof source === "string" ? source : undefined;
  };
  return {
    json: {
      ...kind.json,
      added_tokens: addedTokens({ metadata, vocabulary, types }),
      post_processor: surroundingTokens(textOf(addBos, bosId), textOf(addEos, eosId)),
    },
    tokens: new TokenTexts(vocabulary, new Map()),
    bosId,
    eosId,
    ...(beside.chatTemplate === undefined
      ? {
          chatTemplate: template("tokenizer.chat_template"),
          toolTemplate: beside.toolTemplate ?? template("tokenizer.chat_template.tool_use"),
        }
      : { chatTemplate: beside.chatTemplate, toolTemplate: beside.toolTemplate }),
  };
}

function* kindOf(tokens: Tokens): Generator<undefined, Kind> {
  const model = tokens.metadata.get("tokenizer.ggml.model");
  if (model === "gpt2") return yield* byteLevel(tokens);
  if (model === "llama") return yield* sentencePiece(tokens);
  if (model === "t5") return unigram(tokens);
  throw tokenizerInvalid(`tokenizer.ggml.model "${model}" is not supported`, {
    remedy: 'Use a model whose tokenizer is "gpt2" (byte-level BPE), "llama" (SentencePiece BPE) or "t5" (Unigram).',
  });
}

function* statedMerges({ metadata, vocabulary }: Tokens): Generator<undefined, Merges | undefined> {
  const texts = optionalTexts(metadata, "merges");
  return texts && (yield* mergesOf(vocabulary, texts, false));
}

function* byteLevel(tokens: Tokens): Generator<undefined, Kind> {
  const name = tokens.metadata.get("tokenizer.ggml.pre") ?? "default";
  const pre = ggufPre(String(name));
  const merges = yield* statedMerges(tokens);
  if (merges === undefined) throw tokenizerInvalid("tokenizer.ggml.merges is missing");
  const { vocabulary: vocab } = tokens;
  return {
    addBos: pre.addBos ?? false,
    json: {
      normalizer: pre.normalizer === undefined ? null : { type: pre.normalizer },
      pre_tokenizer: { type: "Sequence", pretokenizers: [...pre.patterns.map(splitOn), BYTE_LEVEL] },
      decoder: { type: "ByteLevel" },
      model: { type: "BPE" as const, vocab, merges, ignore_merges: pre.ignoreMerges ?? false },
    },
  };
}

function* sentencePiece(tokens: Tokens): Generator<undefined, Kind> {
  const { metadata, vocabulary, types } = tokens;
  const prefix = flag(metadata, "add_space_prefix") ?? true;
  const unknown = tokenId(metadata, "unknown_token_id", vocabulary);
  const mergeable = (id: number) => (types?.[id] ?? NORMAL) === NORMAL;
  const merges =
    (yield* statedMerges(tokens)) ?? (yield* mergesOfScores(vocabulary, scores(metadata, vocabulary.size), mergeable));
  const underscores = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const spaces = { type: "Replace", pattern: { String: "▁" }, content: " " };
  const strip = { type: "Strip", content: " ", start: 1, stop: 0 };
  return {
    addBos: true,
    json: {
      normalizer: {
        type: "Sequence",
        normalizers: prefix ? [{ type: "Prepend", prepend: "▁" }, underscores] : [underscores],
      },
      pre_tokenizer: null,
      decoder: {
        type: "Sequence",
        decoders: [spaces, { type: "ByteFallback" }, { type: "Fuse" }, ...(prefix ? [strip] : [])],
      },
      model: {
        type: "BPE",
        vocab: vocabulary,
        merges,
        unk_token: unknown === undefined ? null : vocabulary.textOf(unknown),
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
      },
    },
  };
}

/** SentencePiece's Unigram, with its table of characters, where white space counts once and not at a text's ends. */
function unigram({ metadata, vocabulary, types }: Tokens): Kind {
  const charsmap = bytes(metadata, "precompiled_charsmap");
  const squeezes = flag(metadata, "remove_extra_whitespaces") ?? false;
  const prefix = flag(metadata, "add_space_prefix") ?? true;
  const known = scores(metadata, vocabulary.size);
  const once = { type: "Replace", pattern: { Regex: " {2,}" }, content: " " };
  const fallback = types?.includes(BYTE) ?? false;
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: prefix ? "always" : "never" };
  return {
    addBos: false,
    addEos: true,
    json: {
      normalizer: {
        type: "Sequence",
        normalizers: [
          ...(charsmap === undefined ? [] : [{ type: "Precompiled", precompiled_charsmap: charsmap }]),
          ...(squeezes ? [{ type: "Strip", strip_left: true, strip_right: true }, once] : []),
        ],
      },
      pre_tokenizer: { ...metaspace, split: false },
      decoder: { type: "Sequence", decoders: [...(fallback ? [{ type: "ByteFallback" }] : []), metaspace] },
      model: {
        type: "Unigram" as const,
        unk_id: tokenId(metadata, "unknown_token_id", vocabulary) ?? null,
        vocab: vocabulary,
        scores: Float64Array.from(known),
        byte_fallback: fallback,
      },
    },
  };
}

function addedTokens({ vocabulary, types = [] }: Tokens): AddedToken[] {
  const added: AddedToken[] = [];
  for (let id = 0; id < types.length; id++) {
    const type = types[id];
    if (type !== UNKNOWN && type !== CONTROL && type !== USER_DEFINED) continue;
    const content = vocabulary.textOf(id);
    if (content !== undefined) added.push({ id, content, special: type !== USER_DEFINED, normalized: false });
  }
  return added;
}

function scores(metadata: Metadata, count: number): number[] {
  const values = numbers(metadata, "scores");
  if (values?.length !== count) throw tokenizerInvalid("neither merges nor a score for every token");
  return values;
}

function optionalTexts(metadata: Metadata, key: string): TextList | undefined {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  if (value === undefined || value instanceof TextList) return value;
  if (Array.isArray(value) && value.every((text) => typeof text === "string")) return TextList.of(value);
  throw tokenizerInvalid(`tokenizer.ggml.${key} is no list of strings`);
}

function numbers(metadata: Metadata, key: string): number[] | undefined {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((number) => typeof number === "number")) return value;
  throw tokenizerInvalid(`tokenizer.ggml.${key} is no list of numbers`);
}

/** GGUF keeps bytes as a list of small integers, with a sign or without. */
function bytes(metadata: Metadata, key: string): Uint8Array | undefined {
  const values = numbers(metadata, key);
  return values === undefined || values.length === 0 ? undefined : Uint8Array.from(values);
}

function flag(metadata: Metadata, key: string): boolean | undefined {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  if (value === undefined || typeof value === "boolean") return value;
  throw tokenizerInvalid(`tokenizer.ggml.${key} is neither true nor false`);
}

function tokenId(metadata: Metadata, key: string, vocabulary: TokenTable): number | undefined {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  if (value === undefined) return undefined;
  if (typeof value === "number" && vocabulary.rowOf(value) >= 0) return value;
  throw tokenizerInvalid(`tokenizer.ggml.${key} ${value} is no token of the vocabulary`);
}
