// tokenizer.json read in steps: the same tokens, ids and merges as JSON.parse has, whatever the spelling; all else left to it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { JsonMerges, JsonVocabulary, parseTokenizerJson } from "../../../files/model_files/tokenizer_json.ts";
import { random } from "../../random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** As JSON.parse would have it. */
function plain(value: unknown): unknown {
  if (value instanceof JsonVocabulary)
    return Object.fromEntries([...value.texts].map((text, i) => [text, value.ids[i]]));
  if (value instanceof JsonMerges) {
    const texts = [...value.texts];
    return value.pairs ? texts.flatMap((text, i) => (i % 2 === 0 ? [[text, texts[i + 1]]] : [])) : texts;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

const TOKENS = [
  "a",
  "Ġthe",
  "▁",
  "",
  '"',
  "\\",
  "\n\t\b\f\r",
  "/",
  "\u0000",
  "\u001f",
  "é",
  "你好",
  "😀",
  "\u2028",
  "__proto__",
  "12",
];

function file(merges: unknown, indent?: number): string {
  const vocab = Object.fromEntries(TOKENS.map((token, id) => [token, 3 * id]));
  const model = { type: "BPE", unk_token: null, vocab: { ...vocab, ["__proto__"]: 42 }, fuse_unk: false, merges };
  const normalizer = { type: "Replace", pattern: { String: '}"]' }, content: "\\" };
  return JSON.stringify(
    { version: "1.0", added_tokens: [{ id: 1, content: "<s>" }], normalizer, model, last: [[], {}] },
    null,
    indent,
  );
}

const MERGES: [string, unknown][] = [
  ["in one text", ["a b", "Ġ t", "😀 \\", '" "']],
  [
    "as pairs",
    [
      ["a", "b"],
      ["Ġ", "t"],
      ["😀", " "],
    ],
  ],
  ["none", []],
];
for (const [what, merges] of MERGES) {
  for (const indent of [undefined, 2]) {
    test(`merges ${what}, indent ${indent}`, async () => {
      const text = file(merges, indent);
      const read = (await parseTokenizerJson(bytes(text))) as { model: Record<string, unknown> };
      assert.ok(read.model.vocab instanceof JsonVocabulary);
      assert.ok(read.model.merges instanceof JsonMerges);
      assert.deepEqual(plain(read), JSON.parse(text));
    });
  }
}

test("escapes stand for what they are, pairs of surrogates too", async () => {
  const text = '{"model":{"vocab":{"\\u0120a\\ud83d\\ude00\\u00e9\\/\\"":7}}}';
  const read = (await parseTokenizerJson(bytes(text))) as { model: { vocab: JsonVocabulary } };
  assert.ok(read.model.vocab instanceof JsonVocabulary);
  assert.deepEqual(plain(read), JSON.parse(text));
});

const LEFT_ALONE = [
  '{"model":{"vocab":{"a":-1}}}',
  '{"model":{"vocab":{"a":1.5,"b":1e3}}}',
  '{"model":{"vocab":{"a":12345678901}}}',
  '{"model":{"vocab":{"\\ud800":1}}}',
  '{"model":{"vocab":{"a":"1"}}}',
  '{"model":{"merges":[["a","b","c"]]}}',
  '{"model":{"merges":["a b",["a","b"]]}}',
  '{"model":{"merges":[1]}}',
  '{"model":{"vocab":{"a":1},"vocab":{"b":1}}}',
  '{"model":{"vocab":{"a":1}},"model":{"vocab":{"b":1}}}',
  '{"model":[],"vocab":{"a":1}}',
  '{"model":{"vocab":[["a",-1.5]],"merges":null}}',
  "[1]",
  "7",
  '\ufeff{"model":{"vocab":{"a":1}}}',
];
for (const text of LEFT_ALONE) {
  test(`left to JSON.parse: ${JSON.stringify(text)}`, async () => {
    const read = await parseTokenizerJson(bytes(text));
    assert.deepEqual(read, JSON.parse(text.replace("\ufeff", "")));
  });
}

test("what is cut short or damaged gives what JSON.parse gives, or is refused as there", async () => {
  const text = file([["a", "b"]]);
  const whole = bytes(text);
  const next = random(5);
  const damaged = Array.from({ length: 400 }, () => {
    const copy = whole.slice();
    copy[Math.floor(next() * copy.length)] = Math.floor(next() * 128);
    return copy;
  });
  for (const given of [...Array.from(whole, (_, length) => whole.subarray(0, length)), ...damaged]) {
    const expected = outcome(() => JSON.parse(new TextDecoder().decode(given)));
    const read = await parseTokenizerJson(given).then(
      (value) => ({ value: plain(value) }),
      (error: Error) => error.name,
    );
    assert.deepEqual(read, expected, new TextDecoder().decode(given));
  }
});

function outcome(parse: () => unknown) {
  try {
    return { value: parse() };
  } catch (error) {
    return (error as Error).name;
  }
}
