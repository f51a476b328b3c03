// As answers.test.ts, of many more random schemas.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRandomSchemas } from "./validated.ts";

test("two thousand random schemas: every finished answer parses and validates", () => {
  const finished = checkRandomSchemas(2000);
  assert.ok(finished > 2000, `${finished} texts were finished`);
});
