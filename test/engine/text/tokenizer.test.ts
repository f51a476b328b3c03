import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadTokenizer, type Tokenizer } from "../../../engine/text/tokenizer.ts";
import { fixture, json, nanoFolder, openFolder, STORIES, smollm2Metadata, type TextRow } from "./models.ts";

const nano = openFolder(nanoFolder());
const stories = openFolder(STORIES);
const metadata = await smollm2Metadata();
const smollm2 = metadata && loadTokenizer({ kind: "gguf", metadata });

const MODELS: [string, Tokenizer | undefined, string][] = [
  ["nano", nano, "models/nano and shared/ absent"],
  ["stories260K", stories, ""],
  ["smollm2", smollm2, "SmolLM2's GGUF is not in the cache"],
];

for (const [name, tokenizer, absent] of MODELS) {
  test(`${name}: ids and texts equal transformers'`, (t) => {
    if (tokenizer === undefined) return t.skip(absent);
    for (const row of fixture<{ texts: TextRow[] }>(name).texts) {
      const what = JSON.stringify(row.text);
      assert.deepEqual(tokenizer.encode(row.text), row.ids, what);
      assert.deepEqual(tokenizer.encode(row.text, { special: false, addBos: false }), row.plain, `${what}, plain`);
      assert.equal(tokenizer.decode(row.ids), row.decoded, what);
      assert.equal(tokenizer.decode(row.ids, { skipSpecial: true }), row.visible, what);
    }
  });

  test(`${name}: the bytes of every token are what decoding gives`, (t) => {
    if (tokenizer === undefined) return t.skip(absent);
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(tokenizer.idBytes(id));
      assert.equal(tokenizer.decode([id], { continuation: true }), text);
      assert.ok(tokenizer.idBytes(id).length > 0, `token ${id} is empty`);
    }
  });
}

test("tokens' own facts: names, special ids, texts, bytes", () => {
  assert.equal(stories.vocabSize, 512);
  assert.equal(stories.bosId, 1);
  assert.equal(stories.eosId, 2);
  assert.deepEqual([...stories.specialIds], [0, 1, 2]);
  assert.equal(stories.tokenText(13), "<0x0A>");
  assert.deepEqual([...stories.idBytes(13)], [10]);
  assert.equal(new TextDecoder().decode(stories.idBytes(403)), " Once");
  assert.equal(stories.chatTemplate, undefined);
});

test("an id without a token decodes to nothing", (t) => {
  if (nano === undefined) return t.skip("models/nano and shared/ absent");
  for (const id of [4096, -1, 1.5, Number.NaN]) {
    assert.equal(nano.tokenText(id), "");
    assert.equal(nano.idBytes(id).length, 0);
    assert.equal(nano.decode([id, 68]), "a");
  }
});

test("BOS: as the files say, or as asked", () => {
  const text = "Once upon a time";
  const ids = [403, 407, 261, 378];
  assert.deepEqual(stories.encode(text), ids, "its post-processor adds nothing");
  assert.deepEqual(stories.encode(text, { addBos: true }), [1, ...ids]);
  assert.deepEqual(stories.encode("", { addBos: true }), [1]);

  const tokenizer = json(join(STORIES, "tokenizer.json"));
  const tokenizerConfig = { ...json(join(STORIES, "tokenizer_config.json")), add_bos_token: true };
  const explicit = loadTokenizer({ kind: "hf", tokenizer, tokenizerConfig, chatTemplate: undefined });
  assert.deepEqual(explicit.encode(text), [1, ...ids]);
  assert.deepEqual(explicit.encode(text, { addBos: true }), [1, ...ids], "never twice");
  assert.deepEqual(explicit.encode(text, { addBos: false }), ids);
});

test("BOS asked of a tokenizer that has none is an error", (t) => {
  if (nano === undefined) return t.skip("models/nano and shared/ absent");
  assert.throws(() => nano.encode("a", { addBos: true }), { code: "tokenizer_invalid" });
});

test("a SentencePiece text loses its dummy prefix, a continuation keeps its space", () => {
  assert.equal(stories.decode([403, 407]), "Once upon");
  assert.equal(stories.decode([403, 407], { continuation: true }), " Once upon");
});

test("a prompt of ten thousand tokens encodes in well under a second", (t) => {
  for (const tokenizer of [nano, stories, smollm2]) {
    if (tokenizer === undefined) continue;
    let text = "";
    for (let i = 0; i < 1000; i++) text += `Item ${i * 7919} of été ${Math.sin(i)}: x${i % 13};\n`;
    text = text.slice(0, 24_000);
    const begin = performance.now();
    const ids = tokenizer.encode(text);
    const milliseconds = performance.now() - begin;
    t.diagnostic(`${ids.length} tokens in ${milliseconds.toFixed(0)} ms`);
    assert.ok(ids.length > 10_000);
    assert.ok(milliseconds < 2000, `${milliseconds} ms`);
  }
});

test("hostile prompts do not stall: one endless word, endless white space", (t) => {
  if (nano === undefined) return t.skip("models/nano and shared/ absent");
  for (const unit of ["a", " ", "\n ", "é", "1", "<|"]) {
    const text = unit.repeat(20_000 / unit.length);
    const begin = performance.now();
    assert.equal(nano.decode(nano.encode(text)), text);
    assert.ok(performance.now() - begin < 3000, JSON.stringify(unit));
  }
});

const minimal = () => ({
  added_tokens: [],
  decoder: { type: "ByteLevel" },
  model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] },
});

test("a minimal tokenizer.json, with what may be absent absent", () => {
  const tokenizer = loadTokenizer({ kind: "hf", tokenizer: minimal(), tokenizerConfig: undefined, chatTemplate: "x" });
  assert.deepEqual(tokenizer.encode("abba"), [2, 1, 0]);
  assert.equal(tokenizer.decode([2, 1, 0]), "abba");
  assert.equal(tokenizer.bosId, undefined);
  assert.equal(tokenizer.chatTemplate, "x");
});

const REFUSED: [string, Record<string, unknown>, RegExp][] = [
  ["no model", { model: undefined }, /no model/],
  ["WordPiece", { model: { type: "WordPiece", vocab: {} } }, /"WordPiece"/],
  ["WordPiece", { model: { type: "WordPiece", vocab: {} } }, /"WordPiece"/],
  ["no merges", { model: { type: "BPE", vocab: {} } }, /vocab or merges/],
  ["an id that is no integer", { model: { type: "BPE", vocab: { a: 0.5 }, merges: [] } }, /"a" has the id 0.5/],
  ["an id out of reach", { model: { type: "BPE", vocab: { a: 2 ** 40 }, merges: [] } }, /"a" has the id/],
  ["malformed added tokens", { added_tokens: [{ id: 3 }] }, /added_tokens/],
  ["no decoder", { decoder: null }, /decoder "none"/],
  ["a WordPiece decoder", { decoder: { type: "WordPiece" } }, /decoder "WordPiece"/],
  ["an unknown pre-tokenizer", { pre_tokenizer: { type: "Whimsy" } }, /Whimsy/],
  ["an unknown normalizer", { normalizer: { type: "Whimsy" } }, /Whimsy/],
];

for (const [what, change, message] of REFUSED) {
  test(`refused by name: ${what}`, () => {
    const tokenizer = { ...minimal(), ...change };
    assert.throws(
      () => loadTokenizer({ kind: "hf", tokenizer, tokenizerConfig: undefined, chatTemplate: undefined }),
      (error: Error & { code?: string }) => error.code === "tokenizer_invalid" && message.test(error.message),
    );
  });
}
