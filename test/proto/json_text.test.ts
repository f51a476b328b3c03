import assert from "node:assert/strict";
import { test } from "node:test";
import { checkNesting, decodeUtf8, hasLoneSurrogate, MAX_NESTING, parseJson } from "../../proto/json_text.ts";

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

test("nesting is bounded, brackets in strings are text", () => {
  parseJson(nested(MAX_NESTING));
  for (const depth of [MAX_NESTING + 1, 4500, 1_000_000]) {
    assert.throws(() => parseJson(nested(depth)), { code: "bad_request", message: /nested more than 128 deep/ });
  }
  assert.throws(() => parseJson("[".repeat(1_000_000)), SyntaxError);
  const text = { a: `"${"[".repeat(500)}\\"`, b: `\\${"{".repeat(500)}`, [`k"${"[".repeat(500)}`]: 1 };
  assert.deepEqual(parseJson(JSON.stringify(text)), text);
  assert.doesNotThrow(() => checkNesting(`"${"[".repeat(500)}`));
});

test("siblings are not depth, and as many values as allowed are read", () => {
  const flat = JSON.stringify(Array.from({ length: 1000 }, () => [{ a: "b" }]));
  parseJson(flat);
  parseJson(flat, 4001);
  assert.throws(() => parseJson(flat, 4000), { message: "more than 4000 values" });
});

test("megabytes are looked over in a fraction of a second", () => {
  for (const text of [`"${" ".repeat(8e6)}"`, `"${'\\"'.repeat(4e6)}"`, `"${"\\\\".repeat(4e6)}"`, nested(4e6)]) {
    const begin = performance.now();
    try {
      checkNesting(text);
    } catch {
      // too deep, as it should be
    }
    assert.ok(performance.now() - begin < 500);
  }
});

test("a byte order mark is no part of the text", () => {
  assert.deepEqual(parseJson("\uFEFF{}"), {});
  assert.equal(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "a");
  assert.throws(() => parseJson("\uFEFF\uFEFF{}"), SyntaxError);
});

test("bytes that are not UTF-8 are refused", () => {
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x61, 0xe9]]) {
    assert.throws(() => decodeUtf8(Uint8Array.from(bytes)), { message: "not UTF-8" });
  }
});

test("half surrogate pairs are found wherever they stand", () => {
  const found = (text: string) => hasLoneSurrogate(text, JSON.parse(text));
  for (const text of ['"\\ud800"', '{"a":["\\uDC00"]}', '{"\\ud83d":1}', '["\\ude00\\ud83d"]', '"\\uD83D\\u0041"']) {
    assert.equal(found(text), true, text);
  }
  for (const text of ['"\\ud83d\\ude00"', '"😀"', '"\\\\ud800"', "{}", '"\\u0041"'])
    assert.equal(found(text), false, text);
});
