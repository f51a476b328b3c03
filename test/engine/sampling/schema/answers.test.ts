// Whatever is written under a schema parses and validates: ajv says so, for each kind of keyword, over many random texts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { finishedText, matcherOf } from "../walks.ts";

const ajv = new Ajv2020({ strict: false, validateFormats: true, multipleOfPrecision: 9 });
addFormats.default(ajv);

type Schema = Record<string, unknown>;

/** Finished texts of as many seeds, each checked; asks for one at least. */
function check(schema: Schema, seeds = 25, strict = true): string[] {
  const matcher = matcherOf(schema, strict);
  const validate = ajv.compile(schema);
  const texts: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const text = finishedText(matcher, seed);
    if (text === undefined) continue;
    const shown = `${JSON.stringify(schema)}: ${text}`;
    let value: unknown;
    assert.doesNotThrow(() => {
      value = JSON.parse(text);
    }, shown);
    assert.ok(validate(value), `${shown} ${JSON.stringify(validate.errors)}`);
    assertNoName(text, shown);
    texts.push(text);
  }
  assert.ok(texts.length > 0, `no text of ${JSON.stringify(schema)} ended`);
  return texts;
}

/** No object has a name twice: read by hand, since JSON.parse would not tell. */
function assertNoName(text: string, shown: string): void {
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

const NUMBERS: Schema[] = [
  { minimum: 0.1, maximum: 0.9 },
  { minimum: 0.5, maximum: 1.5 },
  { exclusiveMinimum: 0, exclusiveMaximum: 1 },
  { minimum: -1.25, maximum: 3 },
  { minimum: -0.001, maximum: 0.001 },
  { exclusiveMinimum: -2.5 },
  { maximum: -3 },
  { minimum: 1e-7, maximum: 2e-7 },
  { minimum: 1e21 },
  { exclusiveMinimum: 0.1 + 0.2, exclusiveMaximum: 0.31 },
  { minimum: 7, maximum: 7 },
  { multipleOf: 0.5 },
  { multipleOf: 0.01, minimum: 0, maximum: 1 },
  { multipleOf: 2.5, minimum: -10, maximum: 10 },
  { multipleOf: 7, exclusiveMinimum: 100, exclusiveMaximum: 1000 },
  {},
];

test("numbers keep to their bounds and divisors", () => {
  for (const bounds of NUMBERS)
    for (const type of ["number", "integer"]) {
      const schema = { type, ...bounds };
      if (type === "integer" && JSON.stringify(bounds).includes("e-7")) continue;
      if (type === "integer" && bounds.minimum === 0.1) continue;
      if (type === "integer" && (bounds.exclusiveMaximum === 1 || bounds.exclusiveMaximum === 0.31)) continue;
      check(schema, 40);
    }
});

test("scratch", () => {
  const all: Schema[] = [
    { type: "object", properties: { a: { type: "string", maxLength: 5 }, b: { type: "integer" } }, required: ["a"] },
    { type: "object", additionalProperties: { type: "integer" } },
    { type: "object", additionalProperties: { type: "boolean" }, minProperties: 3, maxProperties: 4 },
    {
      type: "object",
      propertyNames: { enum: ["x", "y", "z"] },
      additionalProperties: { type: "number" },
      minProperties: 2,
    },
    {
      type: "object",
      propertyNames: { type: "string", enum: ["x", "y"] },
      additionalProperties: { type: "number" },
      required: ["x", "y"],
    },
    {
      type: "object",
      patternProperties: { "^x": { type: "integer" }, y$: { minimum: 3 } },
      additionalProperties: false,
      minProperties: 2,
    },
    { type: "object", required: ["q"] },
    {},
  ];
  for (const schema of all) console.log(check(schema).slice(0, 6));
});
