// Docstrings name errors by `@throws` alone: editors and the API reference show those.

import assert from "node:assert/strict";
import { test } from "node:test";
import { comments, sources } from "./sources.ts";

// "Throws `x`", "Raises x", "Rejects with x", "Errors: x", and the same behind a comma or a semicolon
const NAMED_OTHERWISE = /(?<!@)\b(?:Throws|Raises|Rejects with|Errors:)|[;,]\s(?:throws|raises|rejects)\b/;

function offences(path: string, text: string): string[] {
  const docstrings = comments(text).filter((comment) => comment.startsWith("/**"));
  return docstrings.filter((docstring) => NAMED_OTHERWISE.test(docstring)).map((docstring) => `${path}: ${docstring}`);
}

test("an error named in a sentence is found, and one named by @throws is not", () => {
  assert.equal(offences("a.ts", "/** Reads it; raises `bad_frame`. */").length, 1);
  assert.equal(offences("a.ts", "/** Reads it. Rejects with `bad_frame`. */").length, 1);
  assert.deepEqual(offences("a.ts", "/**\n * Reads it.\n *\n * @throws MoloraError `bad_frame`\n */ // Throws"), []);
});

test("errors are named by @throws", () => {
  const found = sources(".ts", ".mjs").flatMap(({ path, text }) => offences(path, text));
  assert.equal(found.length, 0, found.join("\n"));
});
