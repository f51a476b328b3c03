// Tiny tokenizers of every kind that files of the families have; see test/fixtures/scripts/tokenizer_kinds.py.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const FOLDER = "test/fixtures/text/kinds";

export const KINDS = [
  ...["gpt2", "gpt2-prefix", "smollm", "olmo2", "llama3", "qwen2", "tekken", "o200k"],
  ...["gemma", "llama2", "llama2-metaspace", "phi3", "unigram", "unigram-bytes"],
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
