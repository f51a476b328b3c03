// Tiny tokenizers of every kind that files of the families have; see test/fixtures/scripts/tokenizer_kinds.py.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { TypedValue } from "../../../files/weights/gguf/gguf_write.ts";

const FOLDER = "test/fixtures/text/kinds";

export const KINDS = [
  ...["gpt2", "gpt2-prefix", "smollm", "olmo2", "llama3", "qwen2", "tekken", "o200k"],
  ...["deepseek-llm", "deepseek-coder"],
  ...["gemma", "llama2", "llama2-metaspace", "phi3", "unigram", "unigram-bytes", "t5"],
] as const;

export function packed<T>(name: string): T {
  return JSON.parse(gunzipSync(readFileSync(`${FOLDER}/${name}.json.gz`)).toString());
}

/** As the script hashes: two bytes of a text's SHA-256. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 4);
}

/** The two digests of each string, as hex. */
export function marksOf(base64: string): { ids: string; decoded: string }[] {
  const hex = Buffer.from(base64, "base64").toString("hex");
  return hex.match(/.{8}/g)!.map((both) => ({ ids: both.slice(0, 4), decoded: both.slice(4) }));
}

/** Kinds that GGUF files have, with the name of their pre-tokenizer; undefined: SentencePiece's scores. */
export const GGUF_KINDS: readonly (readonly [kind: string, pre: string | undefined])[] = [
  ["gpt2", "gpt-2"],
  ["smollm", "smollm"],
  ["llama3", "llama-bpe"],
  ["qwen2", "qwen2"],
  ["tekken", "tekken"],
  ["olmo2", "dbrx"],
  ["o200k", "gpt-4o"],
  ["llama3", "falcon3"],
  ["llama3", "pixtral"],
  ["deepseek-llm", "deepseek-llm"],
  ["deepseek-coder", "deepseek-coder"],
  ["gemma", undefined],
  ["llama2", undefined],
  ["t5", undefined],
];

export interface TokenizerFile {
  added_tokens: { id: number; content: string; special: boolean }[];
  model: { vocab: Record<string, number>; merges: [string, string][] };
}

/** A tokenizer.json of a kind as a GGUF's metadata. A merge's score is less the later it is. */
export function ggufKind(kind: string, pre: string | undefined): Map<string, TypedValue> {
  return kind === "t5" ? ggufUnigram() : ggufBpe(kind, pre);
}

interface UnigramFile extends Pick<TokenizerFile, "added_tokens"> {
  normalizer: { normalizers: [{ precompiled_charsmap: string }] };
  model: { vocab: [string, number][]; unk_id: number };
}

function ggufUnigram(): Map<string, TypedValue> {
  const { added_tokens, model, normalizer } = packed<{ tokenizer: UnigramFile }>("t5").tokenizer;
  const pieces = [...model.vocab];
  // The fixture has a piece that is spelt as the unknown one, which llama.cpp refuses.
  pieces[model.unk_id] = ["<unknown>", 0];
  for (const { content, id } of added_tokens) pieces[id] ??= [content, 0];
  const special = new Set(added_tokens.map(({ id }) => id));
  const typeOf = (token: string, id: number) =>
    id === model.unk_id ? 2 : special.has(id) ? 3 : /^<0x\w\w>$/.test(token) ? 6 : 1;
  const idOf = (text: string) => pieces.findIndex(([token]) => token === text);
  const charsmap = [...Buffer.from(normalizer.normalizers[0].precompiled_charsmap, "base64")];
  const all: [string, TypedValue][] = [
    ["model", { type: "string", value: "t5" }],
    ["pre", { type: "string", value: "default" }],
    ["tokens", { type: "array", of: "string", value: pieces.map(([token]) => token) }],
    ["scores", { type: "array", of: "f32", value: pieces.map(([, score]) => score) }],
    ["token_type", { type: "array", of: "i32", value: pieces.map(([token], id) => typeOf(token, id)) }],
    ["unknown_token_id", { type: "u32", value: model.unk_id }],
    ["bos_token_id", { type: "u32", value: idOf("<s>") }],
    ["eos_token_id", { type: "u32", value: idOf("</s>") }],
    ["add_bos_token", { type: "bool", value: false }],
    ["add_eos_token", { type: "bool", value: false }],
    ["add_space_prefix", { type: "bool", value: true }],
    ["remove_extra_whitespaces", { type: "bool", value: true }],
    ["precompiled_charsmap", { type: "array", of: "u8", value: charsmap }],
  ];
  return new Map(all.map(([key, value]) => [`tokenizer.ggml.${key}`, value]));
}

function ggufBpe(kind: string, pre: string | undefined): Map<string, TypedValue> {
  const { added_tokens, model } = packed<{ tokenizer: TokenizerFile }>(kind).tokenizer;
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  for (const { content, id } of added_tokens) tokens[id] = content;
  const added = new Map(added_tokens.map(({ id, special }) => [id, special ? 3 : 4]));
  const typeOf = (token: string, id: number) => (/^<0x\w\w>$/.test(token) && !pre ? 6 : (added.get(id) ?? 1));
  const ranks = new Map(model.merges.map(([a, b], rank) => [a + b, rank]));
  const own: [string, TypedValue][] =
    pre === undefined
      ? [
          ["scores", { type: "array", of: "f32", value: tokens.map((token) => -(ranks.get(token) ?? 1e5)) }],
          ["add_space_prefix", { type: "bool", value: kind === "llama2" }],
          ["unknown_token_id", { type: "u32", value: 0 }],
        ]
      : [
          ["pre", { type: "string", value: pre }],
          ["merges", { type: "array", of: "string", value: model.merges.map((pair) => pair.join(" ")) }],
        ];
  const all: [string, TypedValue][] = [
    ["model", { type: "string", value: pre === undefined ? "llama" : "gpt2" }],
    ["tokens", { type: "array", of: "string", value: tokens }],
    ["token_type", { type: "array", of: "i32", value: tokens.map(typeOf) }],
    ["bos_token_id", { type: "u32", value: tokens.indexOf("<s>") }],
    ["eos_token_id", { type: "u32", value: tokens.indexOf("</s>") }],
    ...own,
  ];
  return new Map(all.map(([key, value]) => [`tokenizer.ggml.${key}`, value]));
}
