import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Detokenizer, type DetokenizerOptions } from "../../../engine/text/detokenizer.ts";
import type { Tokenizer } from "../../../engine/text/tokenizer.ts";
import { nanoFolder, openFolder, STORIES } from "./models.ts";
import { stopAt } from "./stop_at.ts";

const MODELS: [string, Tokenizer | undefined][] = [
  ["nano", openFolder(nanoFolder())],
  ["stories260K", openFolder(STORIES)],
];
const ABSENT = "models/nano or shared/ absent";

function stream(tokenizer: Tokenizer, ids: number[], options: DetokenizerOptions) {
  const detokenizer = new Detokenizer(tokenizer, options);
  const pieces: string[] = [];
  for (const id of ids) {
    const { text, stopped } = detokenizer.push(id);
    pieces.push(text);
    if (stopped !== undefined) return { text: pieces.join(""), pieces, stopped };
  }
  pieces.push(detokenizer.flush());
  return { text: pieces.join(""), pieces, stopped: undefined };
}

for (const [name, tokenizer] of MODELS) {
  test(`${name}: any ids stream to what decoding them at once gives`, (t) => {
    if (tokenizer === undefined) return t.skip(ABSENT);
    const ids = fc.array(fc.nat(tokenizer.vocabSize + 3), { maxLength: 40 });
    fc.assert(
      fc.property(ids, fc.boolean(), fc.boolean(), (ids, skipSpecial, continuation) => {
        const options = { skipSpecial, continuation };
        assert.equal(stream(tokenizer, ids, options).text, tokenizer.decode(ids, options));
      }),
      { numRuns: 500 },
    );
  });

  test(`${name}: text survives encoding and streaming, never cut within a character`, (t) => {
    if (tokenizer === undefined) return t.skip(ABSENT);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const ids = tokenizer.encode(text, { special: false, addBos: false });
        const streamed = stream(tokenizer, ids, { continuation: false });
        // The dummy prefix is not added before a space, yet one space is taken away.
        const expected = tokenizer.trimsLeadingSpace && text.startsWith(" ") ? text.slice(1) : text;
        assert.equal(streamed.text, expected);
        for (const piece of streamed.pieces) assert.doesNotMatch(piece, /\p{Surrogate}/u);
      }),
      { numRuns: 500 },
    );
  });

  test(`${name}: stop strings are found however tokens cut them`, (t) => {
    if (tokenizer === undefined) return t.skip(ABSENT);
    const word = fc.constantFrom("the", " the", "end", "\n", "é", "😀", "👩‍👩‍👧", "#", "a", " ", "Once", "12");
    const words = (maxLength: number) => fc.array(word, { minLength: 1, maxLength }).map((list) => list.join(""));
    fc.assert(
      fc.property(words(15), fc.array(words(3), { maxLength: 4 }), (text, stop) => {
        const ids = tokenizer.encode(text);
        const { text: streamed, stopped } = stream(tokenizer, ids, { stop });
        assert.deepEqual({ text: streamed, stopped }, stopAt(tokenizer.decode(ids, { continuation: true }), stop));
      }),
      { numRuns: 500 },
    );
  });
}

test("an emoji over several tokens comes out with its last", (t) => {
  for (const [, tokenizer] of MODELS) {
    if (tokenizer === undefined) return t.skip(ABSENT);
    const ids = tokenizer.encode("a😀");
    const { pieces } = stream(tokenizer, ids, {});
    assert.deepEqual(pieces.filter((piece) => piece !== "").at(-1), "😀");
    assert.ok(pieces.filter((piece) => piece === "").length >= 3);
  }
});

test("an unfinished character at the end is one U+FFFD, and may be a stop string's end", (t) => {
  const tokenizer = MODELS[1][1];
  if (tokenizer === undefined) return t.skip(ABSENT);
  const ids = tokenizer.encode("a😀").slice(0, -1);
  assert.equal(stream(tokenizer, ids, {}).text, " a\ufffd");
  assert.equal(stream(tokenizer, ids, { stop: ["a\ufffd"] }).text, " ");
});

test("after a stop string nothing more comes", (t) => {
  const tokenizer = MODELS[0][1];
  if (tokenizer === undefined) return t.skip(ABSENT);
  const detokenizer = new Detokenizer(tokenizer, { stop: ["b"] });
  const [a, b] = tokenizer.encode("a b").map((id) => detokenizer.push(id));
  assert.deepEqual([a, b], [{ text: "a" }, { text: " ", stopped: "b" }]);
  assert.deepEqual(detokenizer.push(68), { text: "", stopped: "b" });
  assert.equal(detokenizer.flush(), "");
});

test("time per token does not grow with the text", (t) => {
  const tokenizer = MODELS[0][1];
  if (tokenizer === undefined) return t.skip(ABSENT);
  const detokenizer = new Detokenizer(tokenizer, { stop: ["\n\n###", "never"] });
  const begin = performance.now();
  for (let i = 0; i < 100_000; i++) detokenizer.push(68 + (i % 26));
  assert.ok(performance.now() - begin < 2000);
});
