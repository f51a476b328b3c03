import assert from "node:assert/strict";
import { test } from "node:test";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import type { GgufValue } from "../../../files/weights/gguf/gguf.ts";
import { fixture, ggufOf, type Metadata, nanoFolder, STORIES, smollm2Metadata, type TextRow } from "./models.ts";

const CONTROL = 3;
const BYTE = 6;

function fromGguf(metadata: Metadata) {
  return loadTokenizer({ kind: "gguf", metadata });
}

for (const [pre, rows] of Object.entries(fixture<Record<string, TextRow[]>>("gguf_pre"))) {
  test(`pre-tokenizer "${pre}" cuts where its tokenizer.json does`, (t) => {
    const folder = nanoFolder();
    if (folder === undefined) return t.skip("models/nano and shared/ absent");
    const tokenizer = fromGguf(ggufOf(folder, { model: "gpt2", pre, add_bos_token: false }));
    for (const row of rows) assert.deepEqual(tokenizer.encode(row.text), row.ids, JSON.stringify(row.text));
  });
}

/** stories260K as a SentencePiece GGUF has it: scores instead of merges. */
function storiesGguf(folder: string): Metadata {
  const metadata = ggufOf(folder, { model: "llama", bos_token_id: 1, eos_token_id: 2, unknown_token_id: 0 });
  const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
  const ranks = new Map(
    (metadata.get("tokenizer.ggml.merges") as string[]).map((m, rank) => [m.replace(" ", ""), rank]),
  );
  metadata.delete("tokenizer.ggml.merges");
  metadata.set(
    "tokenizer.ggml.scores",
    tokens.map((token) => -(ranks.get(token) ?? 1000)),
  );
  metadata.set(
    "tokenizer.ggml.token_type",
    tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? CONTROL : id < 259 ? BYTE : 1)),
  );
  return metadata;
}

test("a SentencePiece vocabulary with scores: merges, dummy prefix, byte fallback and BOS as transformers", () => {
  const tokenizer = fromGguf(storiesGguf(STORIES));
  for (const row of fixture<{ texts: TextRow[] }>("gguf_llama").texts) {
    assert.deepEqual(tokenizer.encode(row.text), row.ids, JSON.stringify(row.text));
  }
  assert.deepEqual([...tokenizer.specialIds], [0, 1, 2]);
  assert.equal(tokenizer.decode(tokenizer.encode(" a\né"), { skipSpecial: true }), " a\né");
});

test("add_bos_token, add_eos_token and add_space_prefix are obeyed", () => {
  const metadata = storiesGguf(STORIES);
  metadata.set("tokenizer.ggml.add_bos_token", false);
  metadata.set("tokenizer.ggml.add_eos_token", true);
  metadata.set("tokenizer.ggml.add_space_prefix", false);
  const tokenizer = fromGguf(metadata);
  assert.deepEqual(tokenizer.encode("Once").map(tokenizer.tokenText, tokenizer), ["O", "n", "ce", "</s>"]);
  assert.equal(tokenizer.trimsLeadingSpace, false);
});

test("SmolLM2's GGUF: its chat template and special tokens are found", async (t) => {
  const metadata = await smollm2Metadata();
  if (metadata === undefined) return t.skip("SmolLM2's GGUF is not in the cache");
  const tokenizer = fromGguf(metadata);
  assert.equal(tokenizer.vocabSize, 49152);
  assert.equal(tokenizer.tokenText(tokenizer.eosId!), "<|im_end|>");
  assert.equal(tokenizer.specialIds.size, 17);
  assert.match(tokenizer.chatTemplate!, /im_start/);
});

const minimal: Record<string, GgufValue> = {
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "gpt-2",
  "tokenizer.ggml.tokens": ["a", "b", "ab", "__proto__"],
  "tokenizer.ggml.merges": ["a b"],
};

test("minimal metadata is enough, and a token may be called anything", () => {
  const tokenizer = fromGguf(new Map(Object.entries(minimal)));
  assert.deepEqual(tokenizer.encode("abba"), [2, 1, 0]);
  assert.equal(tokenizer.tokenText(3), "__proto__");
});

const REFUSED: [string, Record<string, GgufValue | undefined>, RegExp][] = [
  ["another model", { model: "rwkv" }, /"rwkv" is not supported/],
  ["no model", { model: undefined }, /tokenizer.ggml.model/],
  ["an unknown pre-tokenizer", { pre: "whimsy" }, /"whimsy" is not supported/],
  ["no tokens", { tokens: undefined }, /tokens is missing/],
  ["tokens that are no strings", { tokens: [1, 2] }, /no list of strings/],
  ["no merges", { merges: undefined }, /merges is missing/],
  ["neither merges nor scores", { model: "llama", merges: undefined, bos_token_id: 0 }, /neither merges nor a score/],
  ["a BOS id outside the vocabulary", { bos_token_id: 4 }, /bos_token_id 4/],
  ["BOS to be added where there is none", { add_bos_token: true }, /no bos_token_id/],
  ["a flag that is no boolean", { add_bos_token: 1 }, /neither true nor false/],
];

for (const [what, change, message] of REFUSED) {
  test(`refused by name: ${what}`, () => {
    const metadata: Metadata = new Map(Object.entries(minimal));
    for (const [key, value] of Object.entries(change)) {
      if (value === undefined) metadata.delete(`tokenizer.ggml.${key}`);
      else metadata.set(`tokenizer.ggml.${key}`, value);
    }
    assert.throws(
      () => fromGguf(metadata),
      (error: Error & { code?: string }) => error.code === "tokenizer_invalid" && message.test(error.message),
    );
  });
}
