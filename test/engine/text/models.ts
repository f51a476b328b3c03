// The tokenizers the tests of text/ run on, and the fixtures that go with them. A model that is absent is undefined.

import { existsSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { loadTokenizer, type Tokenizer } from "../../../engine/text/tokenizer.ts";
import { type GgufValue, readGguf } from "../../../files/weights/gguf/gguf.ts";
import { SMOLLM2_FILE } from "../../smollm2.ts";

export type Metadata = Map<string, GgufValue>;

export interface TextRow {
  text: string;
  ids: number[];
  plain: number[];
  decoded: string;
  visible: string;
}

export interface ChatRow {
  messages: { role: string; content: string }[];
  addGenerationPrompt: boolean;
  text: string;
  ids: number[];
}

/** See test/fixtures/scripts/text.py. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(`test/fixtures/text/${name}.json`, "utf8"));
}

/** nano's folder: the embedded one, else the shared one. */
export function nanoFolder(): string | undefined {
  return ["models/nano", "../shared/models/nano"].find((folder) => existsSync(join(folder, "tokenizer.json")));
}

export const STORIES = "test/fixtures/stories260K";

export function openFolder(folder: string): Tokenizer;
export function openFolder(folder: string | undefined): Tokenizer | undefined;
export function openFolder(folder: string | undefined): Tokenizer | undefined {
  if (folder === undefined) return undefined;
  const tokenizerConfig = json(join(folder, "tokenizer_config.json"));
  const template = tokenizerConfig.chat_template;
  return loadTokenizer({
    kind: "hf",
    tokenizer: json(join(folder, "tokenizer.json")),
    tokenizerConfig,
    chatTemplate: typeof template === "string" ? template : undefined,
  });
}

export function json(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** Metadata of SmolLM2-135M-Instruct's GGUF, where it was fetched before. */
export async function smollm2Metadata(): Promise<Metadata | undefined> {
  const path = SMOLLM2_FILE;
  if (path === undefined) return undefined;
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const read = async (offset: number, length: number) => {
      const bytes = new Uint8Array(length);
      await file.read(bytes, 0, length, offset);
      return bytes;
    };
    return new Map((await readGguf({ name: path, size, read })).metadata);
  } finally {
    await file.close();
  }
}

/** A GGUF's metadata with the vocabulary and merges of a tokenizer.json. `keys` go under `tokenizer.ggml.`. */
export function ggufOf(folder: string, keys: Record<string, GgufValue>): Metadata {
  const { vocab, merges } = json(join(folder, "tokenizer.json")).model as {
    vocab: Record<string, number>;
    merges: [string, string][];
  };
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(vocab)) tokens[id] = token;
  const all = { tokens, merges: merges.map((pair) => pair.join(" ")), ...keys };
  return new Map(Object.entries(all).map(([key, value]) => [`tokenizer.ggml.${key}`, value]));
}
