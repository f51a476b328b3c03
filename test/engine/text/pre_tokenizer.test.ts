import assert from "node:assert/strict";
import { test } from "node:test";
import { preTokenizer } from "../../../engine/text/pre_tokenizer.ts";
import { byteSpelling, utf8 } from "../../../engine/text/token_bytes.ts";
import { fixture } from "./models.ts";

type Rows = { text: string; pieces: string[] }[];

for (const [config, rows] of Object.entries(fixture<Record<string, Rows>>("pre_tokenizers"))) {
  test(`cuts as Rust tokenizers do: ${config}`, () => {
    const { cut, byteLevel } = preTokenizer(JSON.parse(config));
    // The last ByteLevel leaves its spelling to the model
    const spelt = (piece: string) =>
      byteLevel ? Array.from(utf8(piece), (byte) => byteSpelling[byte]).join("") : piece;
    for (const { text, pieces } of rows) {
      assert.deepEqual(Array.from(cut(text, true), spelt), pieces, JSON.stringify(text));
    }
  });
}

test("a byte level that others follow spells its bytes", () => {
  const pretokenizers = [
    { type: "ByteLevel", add_prefix_space: true, use_regex: false },
    { type: "Split", pattern: { String: "Ġ" }, behavior: "MergedWithNext", invert: false },
  ];
  const { cut, byteLevel } = preTokenizer({ type: "Sequence", pretokenizers });
  assert.equal(byteLevel, false);
  assert.deepEqual([...cut("é b", true)], ["ĠÃ©", "Ġb"]);
});

test("a text without a match takes time in proportion to its length", () => {
  for (const behavior of ["MergedWithPrevious", "MergedWithNext", "Contiguous", "Isolated", "Removed"]) {
    const { cut } = preTokenizer({ type: "Split", pattern: { Regex: "\\d" }, behavior, invert: false });
    const text = "a".repeat(1_000_000);
    const begin = performance.now();
    assert.deepEqual([...cut(text, true)], [text]);
    assert.ok(performance.now() - begin < 1000, behavior);
  }
});
