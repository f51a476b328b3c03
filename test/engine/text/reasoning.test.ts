// A thought apart from the answer, however the text is cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { joined, ReasoningReader, type Separated } from "../../../engine/text/reasoning.ts";

function read(pieces: Iterable<string>, inside = false): Separated {
  const reader = new ReasoningReader(inside);
  const parts = [...Array.from(pieces, (piece) => reader.push(piece)), reader.flush()];
  return { reasoning: parts.map((p) => p.reasoning).join(""), text: parts.map((p) => p.text).join("") };
}

const CASES: [text: string, inside: boolean, reasoning: string, said: string][] = [
  ["<think>\nTwo and\n\ntwo.\n</think>\n\nFour.", false, "Two and\n\ntwo.", "Four."],
  ["Two and two.\n</think>\n\nFour. ", true, "Two and two.", "Four. "],
  ["<think>\n\n</think>\n\nFour.", false, "", "Four."],
  ["Four.", false, "", "Four."],
  ["  Four <think>no</think>", false, "", "  Four <think>no</think>"],
  ["<thin air", false, "", "<thin air"],
  ["<thin", false, "", "<thin"],
  ["<think>cut short </thi", false, "cut short </thi", ""],
  ["a < b, </tag> and <think>", true, "a < b, </tag> and <think>", ""],
  ["\n<think>x</think>", false, "x", ""],
  ["x</think>a</think>b", true, "x", "a</think>b"],
  ["", true, "", ""],
];

test("the result does not depend on how the text is cut", () => {
  for (const [text, inside, reasoning, said] of CASES) {
    assert.deepEqual(read([text], inside), { reasoning, text: said }, text);
    assert.deepEqual(read(text, inside), { reasoning, text: said }, text);
    for (let at = 1; at < text.length; at++) {
      assert.deepEqual(read([text.slice(0, at), text.slice(at)], inside), { reasoning, text: said }, text);
    }
  }
});

test("joined and separated again, both parts are as they were", () => {
  for (const [, , reasoning, text] of CASES.slice(0, 4)) {
    assert.deepEqual(read(joined({ reasoning, text })), { reasoning, text });
  }
});
