// Tokenizer files whose parts are not what they must be: refused when they are loaded, by name, never at a request.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkFits } from "../../../engine/text/fits_model.ts";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { type Path, replaceAt, tryFiles, wholeFiles } from "./malformed.ts";

const SINGLE: Path = ["tokenizer", "post_processor", "processors", 1, "single"];
const MODEL: Path = ["tokenizer", "model"];
const NORMALIZERS: Path = ["tokenizer", "normalizer", "normalizers"];
const CUTS: Path = ["tokenizer", "pre_tokenizer", "pretokenizers"];
const DECODERS: Path = ["tokenizer", "decoder", "decoders"];

const REFUSED: [Path, unknown, RegExp][] = [
  [SINGLE, ["x"], /post_processor\.single\[0\] is no object/],
  [SINGLE, null, /post_processor\.single is no list/],
  [SINGLE, [], /holds the text 0 times/],
  [SINGLE, [{ Sequence: { id: "B" } }], /neither a SpecialToken nor the Sequence A/],
  [[...SINGLE, 0], { SpecialToken: { id: "<none>" } }, /"<none>", which is no token/],
  [[...SINGLE, 0], { SpecialToken: { id: 1 } }, /names 1, which is no token/],
  [["tokenizer", "post_processor"], { type: "BertProcessing", cls: ["<s>", 1] }, /post_processor\.sep/],
  [["tokenizer", "post_processor"], { type: "Whimsy" }, /post-processor "Whimsy"/],
  [["tokenizer", "post_processor"], "x", /post_processor is no object/],
  [["tokenizer", "post_processor", "processors"], "x", /no list of processors/],
  [[...NORMALIZERS, 1, "content"], 5, /Replace's content/],
  [[...NORMALIZERS, 1, "pattern"], {}, /neither \{"Regex"\} nor \{"String"\}/],
  [[...NORMALIZERS, 2, "pattern"], { Regex: "(" }, /Invalid regular expression|Unterminated|compile/],
  [NORMALIZERS, null, /no list of normalizers/],
  [[...NORMALIZERS, 0], "NFC", /a normalizer is no object/],
  [[...NORMALIZERS, 0], { type: "Prepend" }, /Prepend's prepend/],
  [[...NORMALIZERS, 0], { type: "Strip", strip_left: "yes" }, /strip_left/],
  [[...CUTS, 0, "individual_digits"], "no", /individual_digits/],
  [[...CUTS, 1, "behavior"], "Shattered", /Split's behavior is "Shattered"/],
  [[...CUTS, 1, "pattern"], { Regex: "[" }, /regular expression|Unterminated|class|compile/],
  [[...CUTS, 1, "invert"], 1, /Split's invert/],
  [[...CUTS, 2, "use_regex"], "x", /use_regex/],
  [CUTS, {}, /no list of pretokenizers/],
  [[...CUTS, 0], { type: "FixedLength", length: 0 }, /FixedLength's length/],
  [[...CUTS, 0], { type: "Metaspace", replacement: 3 }, /Metaspace's replacement/],
  [[...CUTS, 0], { type: "Metaspace", prepend_scheme: "last" }, /prepend_scheme/],
  [[...DECODERS, 0], { type: "Replace", pattern: { String: "x" }, content: 3 }, /content that is no text/],
  [DECODERS, 3, /Sequence without decoders/],
  [[...MODEL, "unk_token"], "<none>", /unk_token "<none>"/],
  [[...MODEL, "unk_token"], 0, /unk_token 0/],
  [[...MODEL, "fuse_unk"], "x", /model\.fuse_unk/],
  [[...MODEL, "byte_fallback"], 1, /model\.byte_fallback/],
  [[...MODEL, "end_of_word_suffix"], "</w>", /end_of_word_suffix is not supported/],
  [[...MODEL, "merges", 0], "he", /merge 0 is no pair/],
  [[...MODEL, "merges", 1], ["l"], /merge 1 is no pair/],
  [[...MODEL, "merges", 1], [1, 2], /merge 1 is no pair/],
  [[...MODEL, "merges", 2], "l z", /merge 2 needs "lz", which is no token/],
  [[...MODEL, "vocab", "he"], 5, /have one id, 5/],
  [["tokenizer", "added_tokens", 0, "content"], "", /added_tokens are malformed/],
  [["tokenizer", "added_tokens", 0, "lstrip"], "x", /added_tokens are malformed/],
  [["tokenizerConfig"], { add_bos_token: true }, /add_bos_token is set without a bos_token/],
];

test("the files they are made from load and work", () => {
  assert.equal(tryFiles(wholeFiles()), "works");
});

for (const [path, replacement, message] of REFUSED) {
  test(`refused: ${path.slice(1).join(".")} = ${JSON.stringify(replacement)}`, () => {
    const { tokenizer, tokenizerConfig, chatTemplate } = changed(path, replacement);
    assert.throws(
      () => loadTokenizer({ kind: "hf", tokenizer, tokenizerConfig, chatTemplate }),
      (error: Error & { code?: string }) => error.code === "tokenizer_invalid" && message.test(error.message),
    );
  });
}

test("ids beyond the model's are told when it is loaded, unless nothing needs them", () => {
  const load = (path: Path, replacement: unknown) => {
    const { tokenizer, tokenizerConfig, chatTemplate } = changed(path, replacement);
    return loadTokenizer({ kind: "hf", tokenizer, tokenizerConfig, chatTemplate });
  };
  checkFits(load([], undefined), 301);
  // <tool_call> alone is beyond
  checkFits(load([], undefined), 300);
  assert.throws(() => checkFits(load([...MODEL, "vocab", "o"], 5000), 4096), {
    code: "tokenizer_invalid",
    message: /"o" has the id 5000, the model knows 4096 ids/,
  });
  assert.throws(() => checkFits(load(["tokenizer", "added_tokens", 2, "id"], 5000), 4096), {
    code: "tokenizer_invalid",
    message: /"<\/s>" has the id 5000/,
  });
});

test("sequences within sequences without end are refused", () => {
  let node: unknown = { type: "NFC" };
  for (let i = 0; i < 100_000; i++) node = { type: "Sequence", normalizers: [node] };
  assert.equal(tryFiles(changed(["tokenizer", "normalizer"], node)), "refused");
});

test("a merge that spells a control token is passed over", () => {
  const files = wholeFiles();
  replaceAt(files, [...MODEL, "vocab", "<s"], 301);
  replaceAt(files, [...MODEL, "merges"], ["< s", "<s >"]);
  const { tokenizer, tokenizerConfig } = files;
  const loaded = loadTokenizer({ kind: "hf", tokenizer, tokenizerConfig, chatTemplate: undefined });
  assert.deepEqual(loaded.encode("<s>", { addBos: false }), [1]);
  assert.ok(!loaded.encode("<s>", { addBos: false, special: false }).includes(1));
});

function changed(path: Path, replacement: unknown) {
  const files = wholeFiles();
  if (path.length > 0) replaceAt(files, path, replacement);
  return files;
}
