// molora's encoder against the tokenizers library that tokenizer.json files were read with before: the same ids for texts
// of every kind, at once or in steps. What the library is known to do otherwise than Rust's (U+FEFF and U+0085 as white
// space, digits of ASCII alone) is left out; pre_tokenizer.test.ts holds that to Rust's own cuts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { wholeFiles } from "./malformed.ts";
import { json, nanoFolder, STORIES } from "./models.ts";

const MODELS: [string, Record<string, unknown> | undefined][] = [
  ["nano", fileOf(nanoFolder())],
  ["stories260K", fileOf(STORIES)],
  ["every kind of part", equalParts()],
];

function fileOf(folder: string | undefined) {
  return folder === undefined ? undefined : json(join(folder, "tokenizer.json"));
}

/** Without merging cuts and numbers of other scripts, which the library does not know. */
function equalParts() {
  const { tokenizer } = wholeFiles();
  tokenizer.pre_tokenizer = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const model = tokenizer.model as { merges: (string | string[])[] };
  model.merges = model.merges.map((merge) => (typeof merge === "string" ? merge.split(" ") : merge));
  return tokenizer;
}

const units = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "the ", " ", "  ", "\n", "\r\n", "\t", "Once upon", "'s", "'LL") },
  { weight: 2, arbitrary: fc.constantFrom("é", "e\u0301", "😀", "你", "1", "23", ".", "-", "_", "▁", "“", "<0x0A>") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("<|", "|>", "<|user|>", "<s>", "</s>", "<unk>", "<tool_call>", "hell", " w"),
  },
  { weight: 1, arbitrary: fc.constantFrom("x".repeat(70), " ".repeat(300), "ab".repeat(200), "\ud800", "\udc00") },
  {
    weight: 2,
    arbitrary: fc.string({ unit: "binary", maxLength: 4 }).filter((s) => !/[\ufeff\u0085]|(?!\d)\p{N}/u.test(s)),
  },
);

for (const [name, file] of MODELS) {
  test(`${name}: the library's ids`, (t) => {
    if (file === undefined) return t.skip("models/nano and shared/ absent");
    const tokenizer = loadTokenizer({
      kind: "hf",
      tokenizer: file,
      tokenizerConfig: undefined,
      chatTemplate: undefined,
    });
    const library = new Library(structuredClone(file) as never, {});
    fc.assert(
      fc.property(fc.array(units, { maxLength: 14 }), (parts) => {
        const text = parts.join("");
        const expected = library.encode(text, { add_special_tokens: false }).ids;
        // Nothing in, nothing out: the library would put BOS around it
        const ids = text === "" ? [] : tokenizer.encode(text, { addBos: false });
        assert.deepEqual(ids, text === "" ? [] : expected, JSON.stringify(text));
      }),
      { numRuns: 20_000, seed: 10 },
    );
  });
}
