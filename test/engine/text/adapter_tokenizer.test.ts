// An adapter's own tokenizer over its base's: added tokens, ids that get other tokens, templates; and what both share.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { adapterTokenizer as loadingAdapterTokenizer } from "../../../engine/text/adapter_tokenizer.ts";
import { lastOf, loadTokenizer, type Tokenizer } from "../../../engine/text/tokenizer.ts";
import { raises } from "../../raises.ts";

const FOLDER = "test/fixtures/families/models/llama-biases";
const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const files = {
  kind: "hf",
  tokenizer: read(`${FOLDER}/tokenizer.json`),
  tokenizerConfig: read(`${FOLDER}/tokenizer_config.json`),
  chatTemplate: "base's",
} as const;
const base = loadTokenizer(files);
const none = { templates: { chatTemplate: undefined }, added: [], bytes: [] };
const adapterTokenizer = (over: Tokenizer, own: Parameters<typeof loadingAdapterTokenizer>[1]) =>
  lastOf(loadingAdapterTokenizer(over, own));
const token = (id: unknown, content: string, more = {}) => ({ id, content, special: true, ...more });

test("what a folder adds stands behind the base's tokens, under its own end and template", () => {
  const config = { eos_token: { content: "<|end|>" } };
  const added = [token(320, "<|end|>"), token(325, "plain", { special: false })];
  const own = adapterTokenizer(base, { ...none, config, added, templates: { chatTemplate: "own" } });
  assert.deepEqual([own.eosId, own.chatTemplate, own.vocabSize], [320, "own", 326]);
  assert.deepEqual(own.encode("a<|end|>plain"), [...base.encode("a"), 320, 325]);
  assert.equal(own.decode([320, 325, 322], { skipSpecial: true }), "plain");
  const bare = adapterTokenizer(base, { ...none, added });
  assert.deepEqual([bare.eosId, bare.chatTemplate, bare.toolTemplate], [base.eosId, "base's", "base's"]);
  assert.equal(base.encode("<|end|>").includes(320), false);
});

test("an id of the base gets another token, which no merge spells any more than the old one", () => {
  const own = adapterTokenizer(base, { ...none, added: [token(1, "<|im_start|>")] });
  assert.deepEqual(own.encode("<|im_start|>"), [1]);
  assert.notDeepEqual(own.encode("<|user|>"), [1]);
  assert.equal(own.tokenText(1), "<|im_start|>");
  assert.deepEqual(base.encode("<|user|>"), [1]);
});

test("a tokenizer.json of the folder's own, whether its model is the base's or another", () => {
  const text = "The quick <|im_start|> brown fox, 12345";
  const grown = read("test/fixtures/grown/llama-biases/adapters/chat/tokenizer.json");
  const alone = loadTokenizer({ ...files, tokenizer: grown });
  const over = adapterTokenizer(base, { ...none, tokenizer: structuredClone(grown) });
  assert.deepEqual(over.encode(text), alone.encode(text));
  assert.equal(over.chatTemplate, "base's");
  const other = structuredClone(grown);
  other.model.merges = other.model.merges.slice(0, 3);
  const expected = loadTokenizer({ ...files, tokenizer: other }).encode(text);
  assert.deepEqual(adapterTokenizer(base, { ...none, tokenizer: other }).encode(text), expected);
  assert.notDeepEqual(expected, alone.encode(text));
  assert.deepEqual(base.encode(text), loadTokenizer(structuredClone(files)).encode(text));
});

test("damaged ids are refused", async () => {
  for (const id of [-1, 1.5, "7", 1e9]) {
    await raises("tokenizer_invalid", /has the id/, async () =>
      adapterTokenizer(base, { ...none, added: [token(id, "x")] }),
    );
  }
});
