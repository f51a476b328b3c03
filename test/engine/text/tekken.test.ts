// Mistral's tekken.json: the same ids as the tokenizer.json of the same tokens, whose ids are those of Rust `tokenizers`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byteSpelling } from "../../../engine/text/token_bytes.ts";
import { loadTokenizer, type Tokenizer } from "../../../engine/text/tokenizer.ts";
import { packed, type TokenizerFile } from "./kinds.ts";

const SPECIALS = 20;

interface Tekken {
  config: Record<string, unknown>;
  vocab: { rank: number; token_bytes: string; token_str: string | null }[];
  special_tokens?: { rank: number; token_str: string; is_control: boolean }[];
}

const strings = packed<string[]>("strings");
const file = packed<{ tokenizer: TokenizerFile & Record<string, unknown> }>("tekken").tokenizer;
const json = loadTokenizer({ kind: "hf", tokenizer: file, tokenizerConfig: undefined, chatTemplate: undefined });

/** The fixture's tokens in their order, as Mistral's files have them: single bytes first. */
function tekken(): { tekken: Tekken; ranks: Map<string, number> } {
  const byteOf = new Map(byteSpelling.map((character, byte) => [character, byte]));
  const ordered = Object.entries(file.model.vocab).sort(([, a], [, b]) => a - b);
  const single = ordered.filter(([token]) => token.length === 1 && byteOf.has(token));
  const tokens = [
    ...single.sort(([a], [b]) => byteOf.get(a)! - byteOf.get(b)!),
    ...ordered.filter((entry) => !single.includes(entry)),
  ].map(([token]) => token);
  const vocab = tokens.map((token, rank) => {
    const bytes = Buffer.from(Array.from(token, (character) => byteOf.get(character)!));
    return { rank, token_bytes: bytes.toString("base64"), token_str: bytes.toString() };
  });
  const [split] = (file.pre_tokenizer as { pretokenizers: { pattern: { Regex: string } }[] }).pretokenizers;
  const special_tokens = ["<nothing>", "<s>", "</s>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(
    (token_str, rank) => ({
      rank,
      token_str,
      is_control: true,
    }),
  );
  const config = {
    pattern: split!.pattern.Regex,
    num_vocab_tokens: vocab.length,
    default_vocab_size: vocab.length + SPECIALS,
    default_num_special_tokens: SPECIALS,
    version: "v7",
  };
  return { tekken: { config, vocab, special_tokens }, ranks: new Map(tokens.map((token, rank) => [token, rank])) };
}

function load(given: object): Tokenizer {
  return loadTokenizer({ kind: "tekken", tekken: given as Record<string, unknown>, chatTemplate: undefined });
}

test(`${strings.length} strings have the ids that tokenizer.json gives them`, () => {
  const { tekken: given, ranks } = tekken();
  const own = load(given);
  const specials = new Map(given.special_tokens!.map(({ token_str, rank }) => [token_str, rank]));
  const moved = (id: number) => {
    const text = json.tokenText(id);
    return json.specialIds.has(id) ? specials.get(text)! : SPECIALS + ranks.get(text)!;
  };
  const wrong = strings.filter((text) => {
    const expected = json.encode(text).map(moved);
    const ids = own.encode(text);
    return ids.join() !== expected.join() || own.decode(ids) !== json.decode(json.encode(text));
  });
  assert.ok(strings.length >= 2000);
  assert.deepEqual(wrong.slice(0, 3), [], `${wrong.length} differ`);
  assert.equal(own.tokenText(own.bosId!), "<s>");
  assert.equal(own.encode("a")[0], own.bosId);
  assert.equal(own.tokenText(SPECIALS - 1), "<SPECIAL_19>");
});

test("files that list no special tokens have Mistral's", () => {
  const { special_tokens: _, ...older } = tekken().tekken;
  const own = load(older);
  assert.deepEqual(
    own.encode("[INST] a[/INST]", { addBos: false }).filter((id) => own.specialIds.has(id)),
    [3, 4],
  );
  assert.ok(own.controlTexts.includes("[TOOL_CALLS]"));
});

test("a vocabulary that is longer than the model's is cut", () => {
  const { tekken: given } = tekken();
  const config = { ...given.config, default_vocab_size: SPECIALS + 300 };
  assert.equal(load({ ...given, config }).vocabSize, SPECIALS + 300);
});

test("what is missing or malformed is named", () => {
  const { tekken: given } = tekken();
  const refused: [object, RegExp][] = [
    [{}, /default_num_special_tokens/],
    [{ ...given, config: { ...given.config, pattern: 1 } }, /no pattern/],
    [{ ...given, vocab: given.vocab.slice(1) }, /fewer than/],
    [{ ...given, vocab: given.vocab.map((entry) => ({ ...entry, token_bytes: "é" })) }, /token 0 is malformed/],
    [{ ...given, special_tokens: [{ rank: 99, token_str: "x" }] }, /rank 99/],
    [{ ...given, config: { ...given.config, default_vocab_size: 5 } }, /5 tokens, 20 of them special/],
  ];
  for (const [broken, message] of refused) assert.throws(() => load(broken), { code: "tokenizer_invalid", message });
});
