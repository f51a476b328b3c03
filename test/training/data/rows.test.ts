// Rows of data against the fixture PyTorch's losses were computed from, and lines that are no rows.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { openPath } from "../../../node/files.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { renderRow } from "../../../training/data/render.ts";
import { parseRow } from "../../../training/data/rows.ts";

const { tokenizerFiles } = await openModelFiles(await openPath("models/nano"));
const tokenizer = loadTokenizer(tokenizerFiles);

interface ScoreFixture {
  rows: { row: object; ids: number[]; mask: number[]; tokens: number; bytes: number }[];
}

test("ids, counted tokens and bytes are those of the fixture", async () => {
  const fixture: ScoreFixture = JSON.parse(await readFile("test/fixtures/parity/score_nano.json", "utf8"));
  for (const [i, expected] of fixture.rows.entries()) {
    const rendered = renderRow(tokenizer, parseRow(JSON.stringify(expected.row), `row ${i}`));
    assert.deepEqual(rendered.ids, expected.ids);
    assert.deepEqual(rendered.counted.map(Number), expected.mask);
    assert.equal(rendered.bytes, expected.bytes);
  }
  assert.ok(fixture.rows.length > 10);
});

test("segments are one text, labelled piece by piece", () => {
  const row = parseRow('{"segments":[{"domain":"math","text":"1 + 1"},{"text":"\\nSELECT é"}],"domain":"rest"}', "row");
  const { ids, counted, domains, bytes } = renderRow(tokenizer, row);
  assert.deepEqual(ids, tokenizer.encode("1 + 1\n\nSELECT é"));
  assert.deepEqual(counted, [false, ...ids.slice(1).map(() => true)]);
  assert.equal(bytes, new TextEncoder().encode("1 + 1\n\nSELECT é").length);
  const one = tokenizer.encode("1 + 1").length;
  assert.ok(domains.slice(0, one).every((domain) => domain === "math"));
  assert.equal(domains.at(-1), "rest");
});

test("a raw prompt and completion are joined as they are", () => {
  const row = parseRow('{"prompt":"One and","completion":" two","domain":"d"}', "row");
  const { ids, counted, bytes } = renderRow(tokenizer, row, { raw: true });
  assert.deepEqual(ids, tokenizer.encode("One and two"));
  assert.equal(
    bytes,
    counted.reduce((sum, counts, t) => sum + (counts ? tokenizer.idBytes(ids[t]).length : 0), 0),
  );
  assert.ok(counted.at(-1) && !counted[1]);
});

test("messages take the domain of their exchange", () => {
  const messages = [
    { role: "user", content: "How many?" },
    { role: "assistant", content: "Two.", domain: "math" },
    { role: "user", content: "Why?", domain: "talk" },
    { role: "assistant", content: "Because." },
  ];
  const { ids, counted, domains } = renderRow(tokenizer, parseRow(JSON.stringify({ messages }), "row"));
  const half = ids.indexOf(tokenizer.encode("<|endoftext|>")[0]) + 1;
  assert.ok(domains.slice(0, half).every((domain) => domain === "math"));
  assert.ok(domains.slice(half).every((domain) => domain === "talk"));
  assert.ok(counted[half - 1] && !counted[half] && counted.at(-1));
});

test("special tokens in messages are text, in training and scoring as in generating", () => {
  const messages = [
    { role: "user", content: "a<|endoftext|>b" },
    { role: "assistant", content: "<|user|>\nc<|endoftext|>d" },
  ];
  const { ids, counted, bytes } = renderRow(tokenizer, parseRow(JSON.stringify({ messages }), "row"));
  const special = ids.filter((id) => tokenizer.specialIds.has(id)).map((id) => tokenizer.tokenText(id));
  assert.deepEqual(special, ["<|user|>", "<|assistant|>", "<|endoftext|>"]);
  // All of the answer counts, and the one token that ends it
  assert.equal(tokenizer.decode(ids.filter((_, t) => counted[t])), `${messages[1]?.content}<|endoftext|>`);
  assert.equal(bytes, messages[1]?.content.length);
  // A text is taken as transformers takes it, special tokens and all
  const text = renderRow(tokenizer, parseRow('{"text":"a<|endoftext|>b"}', "row"));
  assert.ok(text.ids.some((id) => tokenizer.specialIds.has(id)));
});

test("lines that are no rows are refused by name", () => {
  const refused: [string, RegExp][] = [
    ["{", /line 7 is not JSON/],
    ['{"text":"\\ud800"}', /line 7 holds half a surrogate pair/],
    ['{"prompt":"a","completion":"\\udc00\\ud83d"}', /half a surrogate pair/],
    ['{"text":"a","\\ud800":1}', /half a surrogate pair/],
    [`{"text":"a","x":${"[".repeat(4500)}${"]".repeat(4500)}}`, /nested more than 128 deep/],
    ["[]", /line 7: an object/],
    ["{}", /line 7: a row is one of .* none/],
    ['{"text":"a","prompt":"b"}', /"text" and "prompt"/],
    ['{"text":""}', /"text" must be a string that is not empty/],
    ['{"text":3}', /"text" must be a string, it is 3/],
    ['{"prompt":"a"}', /"completion" must be a string, it is absent/],
    ['{"messages":[]}', /"messages" must be a list of at least one/],
    ['{"messages":[{"role":"user","content":"a"}]}', /"assistant"/],
    ['{"messages":[{"role":"assistant","content":null}]}', /messages\[0\]: "content"/],
    ['{"segments":[{"domain":1,"text":"a"}]}', /segments\[0\]: "domain" must be a string/],
  ];
  for (const [line, message] of refused) {
    assert.throws(
      () => parseRow(line, "line 7"),
      (error) => error instanceof MoloraError && error.code === "data_invalid" && message.test(error.message),
      line,
    );
  }
});
