// A tokenizer's description from the metadata of a GGUF file: the same tokenizer.json that its model came with.
// llama.cpp is the model for which key means what and what its absence means.

import type { ChatTemplates } from "../../files/model_files/chat_templates.ts";
import type { GgufValue } from "../../files/weights/gguf/gguf.ts";
import { ggufPre } from "./gguf_pre.ts";
import { BYTE_LEVEL, splitOn } from "./pre_tokenizer.ts";
import { mergesFromScores } from "./score_merges.ts";
import {
  type AddedToken,
  surroundingTokens,
  type TokenizerJson,
  type TokenizerSpec,
  tokenizerInvalid,
} from "./spec.ts";

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

/**
 * @throws MoloraError `tokenizer_invalid` where a key is missing, malformed, or names an unsupported model or
 * pre-tokenizer.
 */
export function ggufSpec(metadata: Metadata, beside: Partial<ChatTemplates> = {}): TokenizerSpec {
  const tokens = texts(metadata, "tokens");
  const types = numbers(metadata, "token_type");
  const kind = kindOf(metadata, tokens, types);
  const bosId = tokenId(metadata, "bos_token_id", tokens);
  const eosId = tokenId(metadata, "eos_token_id", tokens);
  const addBos = flag(metadata, "add_bos_token") ?? kind.addBos;
  const addEos = flag(metadata, "add_eos_token") ?? kind.addEos ?? false;
  if (addBos && bosId === undefined) throw tokenizerInvalid("BOS is to be added, but there is no bos_token_id");
  if (addEos && eosId === undefined) throw tokenizerInvalid("EOS is to be added, but there is no eos_token_id");
  const textOf = (add: boolean, id: number | undefined) => (add && id !== undefined ? tokens[id] : undefined);
  const template = (key: string) => {
    const source = metadata.get(key);
    return typeof source === "string" ? source : undefined;
  };
  return {
    json: {
      ...kind.json,
      added_tokens: tokens.flatMap((content, id) => addedToken(content, id, types?.[id])),
      post_processor: surroundingTokens(textOf(addBos, bosId), textOf(addEos, eosId)),
    },
    tokens,
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

function kindOf(metadata: Metadata, tokens: string[], types: number[] | undefined): Kind {
  const model = metadata.get("tokenizer.ggml.model");
  if (model === "gpt2") return byteLevel(metadata, tokens);
  if (model === "llama") return sentencePiece(metadata, tokens, types);
  if (model === "t5") return unigram(metadata, tokens, types);
  throw tokenizerInvalid(`tokenizer.ggml.model "${model}" is not supported`, {
    remedy: 'Use a model whose tokenizer is "gpt2" (byte-level BPE), "llama" (SentencePiece BPE) or "t5" (Unigram).',
  });
}

function byteLevel(metadata: Metadata, tokens: string[]): Kind {
  const name = metadata.get("tokenizer.ggml.pre") ?? "default";
  const pre = ggufPre(String(name));
  const merges = optionalTexts(metadata, "merges");
  if (merges === undefined) throw tokenizerInvalid("tokenizer.ggml.merges is missing");
  return {
    addBos: pre.addBos ?? false,
    json: {
      normalizer: pre.normalizer === undefined ? null : { type: pre.normalizer },
      pre_tokenizer: { type: "Sequence", pretokenizers: [...pre.patterns.map(splitOn), BYTE_LEVEL] },
      decoder: { type: "ByteLevel" },
      model: { type: "BPE" as const, vocab: vocabulary(tokens), merges, ignore_merges: pre.ignoreMerges ?? false },
    },
  };
}

function sentencePiece(metadata: Metadata, tokens: string[], types: number[] | undefined): Kind {
  const prefix = flag(metadata, "add_space_prefix") ?? true;
  const unknown = tokenId(metadata, "unknown_token_id", tokens);
  const mergeable = (id: number) => (types?.[id] ?? NORMAL) === NORMAL;
  const merges =
    optionalTexts(metadata, "merges") ?? mergesFromScores(tokens, scores(metadata, tokens.length), mergeable);
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
        vocab: vocabulary(tokens),
        merges,
        unk_token: unknown === undefined ? null : tokens[unknown],
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
      },
    },
  };
}

/** SentencePiece's Unigram, with its table of characters, where white space counts once and not at a text's ends. */
function unigram(metadata: Metadata, tokens: string[], types: number[] | undefined): Kind {
  const charsmap = bytes(metadata, "precompiled_charsmap");
  const squeezes = flag(metadata, "remove_extra_whitespaces") ?? false;
  const prefix = flag(metadata, "add_space_prefix") ?? true;
  const known = scores(metadata, tokens.length);
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
        unk_id: tokenId(metadata, "unknown_token_id", tokens) ?? null,
        vocab: tokens.map((token, id) => [token, known[id]]),
        byte_fallback: fallback,
      },
    },
  };
}

function vocabulary(tokens: string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

function addedToken(content: string, id: number, type: number | undefined): AddedToken[] {
  if (type !== UNKNOWN && type !== CONTROL && type !== USER_DEFINED) return [];
  return [{ id, content, special: type !== USER_DEFINED, normalized: false }];
}

function scores(metadata: Metadata, count: number): number[] {
  const values = numbers(metadata, "scores");
  if (values?.length !== count) throw tokenizerInvalid("neither merges nor a score for every token");
  return values;
}

function texts(metadata: Metadata, key: string): string[] {
  const values = optionalTexts(metadata, key);
  if (values === undefined) throw tokenizerInvalid(`tokenizer.ggml.${key} is missing`);
  return values;
}

function optionalTexts(metadata: Metadata, key: string): string[] | undefined {
  return list(metadata, key, (value) => typeof value === "string", "strings");
}

function numbers(metadata: Metadata, key: string): number[] | undefined {
  return list(metadata, key, (value) => typeof value === "number", "numbers");
}

function list<T extends GgufValue>(
  metadata: Metadata,
  key: string,
  valid: (value: GgufValue) => value is T,
  what: string,
): T[] | undefined {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every(valid))
    throw tokenizerInvalid(`tokenizer.ggml.${key} is no list of ${what}`);
  return value;
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

function tokenId(metadata: Metadata, key: string, tokens: string[]): number | undefined {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  if (value === undefined) return undefined;
  if (typeof value === "number" && tokens[value] !== undefined) return value;
  throw tokenizerInvalid(`tokenizer.ggml.${key} ${value} is no token of the vocabulary`);
}
