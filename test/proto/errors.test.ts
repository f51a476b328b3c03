// The error class across copies of the package, the table of codes, and the page made from it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { ERROR_CODES, MoloraError } from "../../proto/errors.ts";

/** The same file loaded once more, as by a second copy of the package. */
const copy: typeof import("../../proto/errors.ts") = await import(
  new URL("../../proto/errors.js?copy", import.meta.url).href
);

test("an error of another copy of the package is known, and passes through unchanged", () => {
  const foreign = new copy.MoloraError("queue_full", "9 requests wait already");
  assert.ok(!(foreign instanceof MoloraError));
  assert.ok(MoloraError.is(foreign));
  assert.equal(MoloraError.from(foreign), foreign);
  assert.equal(MoloraError.from(foreign).status, 429);
});

test("nothing else is", () => {
  for (const thrown of [new Error("queue_full"), { code: "queue_full", message: "" }, "queue_full", null, undefined]) {
    assert.ok(!MoloraError.is(thrown));
  }
  assert.ok(MoloraError.is(new MoloraError("internal", "a reason")));
});

test("the mark shows nowhere", () => {
  const error = new MoloraError("internal", "a reason");
  assert.deepEqual(Object.keys(error).sort(), ["code", "details", "name", "remedy"]);
  assert.deepEqual(JSON.parse(JSON.stringify(error)), { code: "internal", message: "a reason" });
});

test("every code has a status and one sentence", () => {
  for (const [code, { status, meaning }] of Object.entries(ERROR_CODES)) {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/);
    assert.ok(status >= 400 && status < 600, code);
    assert.match(meaning, /^[A-Z][^.|]*\.$/, code);
  }
});

test("docs/errors.md is made from the table as it is", async () => {
  const made = execFileSync(process.execPath, ["docs/errors.mjs"], { encoding: "utf8" });
  assert.equal(await readFile("docs/errors.md", "utf8"), made, "run npm run docs:errors");
});
