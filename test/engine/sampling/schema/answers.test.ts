// Whatever is written under a schema parses and validates: ajv says so, for each kind of keyword, over many random texts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { finishedText, matcherOf } from "../walks.ts";
import type { Schema } from "./schemas.ts";
import { checkRandomSchemas, checkText } from "./validated.ts";

/** Finished texts of as many seeds, each checked; asks for one at least. */
function check(schema: Schema, seeds = 25, strict = true): string[] {
  const matcher = matcherOf(schema, strict);
  const texts: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const text = finishedText(matcher, seed);
    if (checkText(schema, text)) texts.push(text!);
  }
  assert.ok(texts.length > 0, `no text of ${JSON.stringify(schema)} ended`);
  return texts;
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

const OBJECTS: Schema[] = [
  { type: "object", properties: { a: { type: "string", maxLength: 5 }, b: { type: "integer" } }, required: ["a"] },
  { type: "object", additionalProperties: { type: "integer" } },
  { type: "object", additionalProperties: { type: "boolean" }, minProperties: 3, maxProperties: 4 },
  { type: "object", properties: { a: {}, b: {}, c: {}, d: {} }, minProperties: 2, maxProperties: 3, required: ["c"] },
  { type: "object", properties: { a: { type: "null" } }, required: ["q"] },
  { type: "object", properties: { a: { type: "null" } }, required: ["q"], additionalProperties: { type: "integer" } },
  { type: "object", patternProperties: { "^x": { type: "integer" }, y$: { minimum: 3 } }, minProperties: 2 },
  { type: "object", patternProperties: { "^[ab]$": {} }, additionalProperties: false, minProperties: 2 },
  { type: "object", propertyNames: { maxLength: 2 }, minProperties: 1 },
  {
    type: "object",
    propertyNames: { pattern: "^[ab]{1,2}$" },
    additionalProperties: { type: "null" },
    minProperties: 6,
  },
  {
    type: "object",
    propertyNames: { anyOf: [{ const: "one" }, { pattern: "^t[a-z]$" }] },
    minProperties: 2,
    maxProperties: 3,
  },
  // zod's z.record of an enum, and of a partial one; Python's dict[Literal["x", "y"], int].
  {
    type: "object",
    propertyNames: { type: "string", enum: ["x", "y"] },
    additionalProperties: { type: "number" },
    required: ["x", "y"],
  },
  {
    type: "object",
    propertyNames: { enum: ["x", "y", "z"] },
    additionalProperties: { type: "number" },
    minProperties: 2,
  },
  { type: "object", propertyNames: { const: "x" }, additionalProperties: { type: "integer" } },
  {
    allOf: [
      { type: "object", properties: { a: { type: "integer" } }, required: ["a"] },
      { properties: { a: { minimum: 5 }, b: {} }, required: ["b"] },
    ],
  },
  {
    type: "object",
    properties: { k: { type: "string", maxLength: 2 } },
    anyOf: [{ required: ["k"] }, { properties: { j: { const: 1 } }, required: ["j"] }],
  },
  {
    oneOf: [
      { type: "object", properties: { kind: { const: "a" } }, required: ["kind"] },
      { type: "object", properties: { kind: { const: "b" }, n: { type: "integer" } }, required: ["kind", "n"] },
    ],
  },
  {
    oneOf: [
      { type: "string", pattern: "^a" },
      { type: "string", pattern: "^b" },
      { type: "integer", maximum: 3 },
      { type: "number", minimum: 4 },
    ],
  },
  { type: "array", prefixItems: [{ type: "integer" }, { type: "boolean" }], minItems: 1 },
  { type: "array", prefixItems: [{ type: "integer" }], items: { type: "null" }, maxItems: 4 },
  { type: "array", items: { enum: Array.from({ length: 40 }, (_, i) => `name ${i}`) }, minItems: 2, maxItems: 3 },
  { type: "integer", enum: [1, 2, "x", 400], maximum: 100 },
  { type: "string", format: "date", pattern: "^2024-" },
  { type: "string", format: "email", maxLength: 12 },
  { type: "string", minLength: 3, maxLength: 100_000 },
  {
    $ref: "#/$defs/tree",
    $defs: {
      tree: {
        type: "object",
        properties: { value: { type: "boolean" }, next: { anyOf: [{ $ref: "#/$defs/tree" }, { type: "null" }] } },
        required: ["value", "next"],
      },
    },
  },
  {},
];

test("objects, arrays, strings and combinations", () => {
  for (const schema of OBJECTS) check(schema, 12);
});

test("a property called __proto__ is one like any other", () => {
  // ajv reads over it, so that this is asked for by hand.
  const properties = JSON.parse('{"__proto__": {"type": "integer"}, "hasOwnProperty": {"type": "null"}}');
  const matcher = matcherOf({ type: "object", properties, required: ["__proto__", "hasOwnProperty"] });
  for (let seed = 1; seed <= 5; seed++) {
    const text = finishedText(matcher, seed) ?? "";
    assert.match(text, /^\{"__proto__": -?\d+, "hasOwnProperty": null\}$/);
  }
  const record = matcherOf({
    type: "object",
    propertyNames: { enum: ["__proto__"] },
    additionalProperties: { const: 1 },
    minProperties: 1,
  });
  assert.equal(finishedText(record, 1), '{"__proto__": 1}');
});

test("without strictness other properties may come", () => {
  const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
  const texts = check(schema, 30, false);
  assert.ok(texts.some((text) => Object.keys(JSON.parse(text)).length > 1));
  assert.ok(check(schema, 30).every((text) => Object.keys(JSON.parse(text)).length === 1));
});

test("many levels of nesting", () => {
  let schema: Schema = { type: "integer", minimum: 1, maximum: 3 };
  for (let i = 0; i < 60; i++) {
    schema =
      i % 2 === 0
        ? { type: "array", items: schema, minItems: 1, maxItems: 1 }
        : { type: "object", properties: { a: schema }, required: ["a"] };
  }
  check(schema, 3);
});

test("random schemas: every finished answer parses and validates", () => {
  const finished = checkRandomSchemas(80);
  assert.ok(finished > 70, `${finished} texts were finished`);
});
