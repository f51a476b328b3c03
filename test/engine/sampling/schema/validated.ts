// Finished texts, checked by a validator of JSON schemas that is not ours.

import assert from "node:assert/strict";
import type { ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import fc from "fast-check";
import type { Matcher } from "../../../../engine/sampling/matcher/matcher.ts";
import { finishedText, matcherOf } from "../walks.ts";
import { schema as random, type Schema } from "./schemas.ts";

const ajv = new Ajv2020({ strict: false, validateFormats: true, multipleOfPrecision: 9, ownProperties: true });
addFormats.default(ajv);

/** Whether there is a text; if so it is JSON that validates. */
export function checkText(schema: Schema, text: string | undefined): boolean {
  if (text === undefined) return false;
  const shown = `${JSON.stringify(schema)}: ${text}`;
  let value: unknown;
  assert.doesNotThrow(() => {
    value = JSON.parse(text);
  }, shown);
  let validate = validators.get(schema);
  if (validate === undefined) {
    validate = ajv.compile(schema);
    validators.set(schema, validate);
  }
  assert.ok(validate(value), `${shown} ${JSON.stringify(validate.errors)}`);
  assertNamesOnce(text, shown);
  return true;
}

const validators = new WeakMap<Schema, ValidateFunction>();

/** No object has a name twice: read by hand, since JSON.parse would not tell. */
function assertNamesOnce(text: string, shown: string): void {
  const objects: Set<string>[] = [];
  for (const [token, name] of text.matchAll(/("(?:\\.|[^"\\])*")(?=: )|"(?:\\.|[^"\\])*"|[{}]/g)) {
    if (token === "{") objects.push(new Set());
    else if (token === "}") objects.pop();
    else if (name !== undefined) {
      assert.ok(!objects.at(-1)!.has(name), `${shown}: ${name} comes twice`);
      objects.at(-1)!.add(name);
    }
  }
}

/** Three texts of each of so many random schemas. How many were finished. */
export function checkRandomSchemas(numRuns: number): number {
  let finished = 0;
  fc.assert(
    fc.property(random, fc.nat(2 ** 31), (schema, seed) => {
      let matcher: Matcher;
      try {
        matcher = matcherOf(schema);
      } catch (error) {
        // Chance makes schemas that nothing fits, too.
        assert.match(String(error), /nothing fits/);
        return;
      }
      for (let i = 0; i < 3; i++) if (checkText(schema, finishedText(matcher, seed + i, 150))) finished++;
    }),
    { numRuns },
  );
  return finished;
}
