// Every kind of tokenizer.json on 2,400 strings: Unicode, emoji, code, runs of white space. The ids and the decoded texts
// are those of Rust `tokenizers`, but for bytes that are no UTF-8: there every run of them becomes U+FFFD as a whole, here
// only what of it is none.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { digest, KINDS, marksOf, packed } from "./kinds.ts";

const strings = packed<string[]>("strings");

const malformed = (text: string) => text.split("\ufffd").length;

for (const kind of KINDS) {
  test(`${kind}: ${strings.length} strings`, () => {
    const { tokenizer: file, marks } = packed<{ tokenizer: Record<string, unknown>; marks: string }>(kind);
    const tokenizer = loadTokenizer({
      kind: "hf",
      tokenizer: file,
      tokenizerConfig: undefined,
      chatTemplate: undefined,
    });
    const expected = marksOf(marks);
    assert.equal(expected.length, strings.length);
    assert.ok(strings.length >= 2000);
    const wrong = strings.flatMap((text, i) => {
      const ids = tokenizer.encode(text);
      const decoded = tokenizer.decode(ids);
      const encodes = digest(ids.join(",")) === expected[i].ids;
      const decodes = digest(decoded) === expected[i].decoded || malformed(decoded) > malformed(text);
      return encodes && decodes ? [] : [{ text, ids, encodes, decodes }];
    });
    assert.deepEqual(wrong.slice(0, 3), [], `${wrong.length} of ${strings.length}`);
  });
}
