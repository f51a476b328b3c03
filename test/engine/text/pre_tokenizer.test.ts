import assert from "node:assert/strict";
import { test } from "node:test";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { exactPreTokenizer } from "../../../engine/text/pre_tokenizer.ts";
import { fixture } from "./models.ts";

type Rows = { text: string; pieces: string[] }[];

for (const [config, rows] of Object.entries(fixture<Record<string, Rows>>("pre_tokenizers"))) {
  test(`cuts as Rust tokenizers do: ${config}`, () => {
    const library = new Library(
      {
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: exactPreTokenizer(JSON.parse(config)),
        post_processor: null,
        decoder: null,
        model: { type: "BPE", vocab: {}, merges: [], ignore_merges: false },
      },
      {},
    );
    for (const { text, pieces } of rows) {
      assert.deepEqual(library.pre_tokenizer!(text, { section_index: 0 }), pieces, JSON.stringify(text));
    }
  });
}

test("what needs no rewriting is left as it is", () => {
  for (const node of [null, { type: "Whitespace" }, { type: "ByteLevel", use_regex: false, add_prefix_space: false }]) {
    assert.equal(exactPreTokenizer(node), node);
  }
});
