// What a grammar cannot hold to is refused by name, with a code, and soon.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSource } from "../../../../engine/sampling/schema/source.ts";
import { raises } from "../../../raises.ts";
import { sourceOf } from "../walks.ts";

type Schema = Record<string, unknown>;

const INVALID: [schema: Schema, names: RegExp][] = [
  [{ not: { type: "string" } }, /"not"/],
  [{ if: {}, else: {} }, /"if"/],
  [{ type: "array", uniqueItems: true }, /"uniqueItems"/],
  [{ type: "array", contains: { const: 1 } }, /"contains"/],
  [{ type: "object", dependentRequired: { a: ["b"] } }, /"dependentRequired"/],
  [{ type: "object", unevaluatedProperties: { type: "string" } }, /"unevaluatedProperties"/],
  [{ type: "string", format: "colour" }, /format "colour"/],
  [{ type: "string", format: "regex" }, /format "regex"/],
  [{ type: "text" }, /Unsupported type "text"/],
  [{ type: "string", maxLength: -1 }, /"maxLength"/],
  [{ type: "string", maxLength: "3" }, /"maxLength"/],
  [{ type: "number", multipleOf: 0 }, /"multipleOf"/],
  [{ type: "object", properties: [] }, /"properties"/],
  [{ type: "object", properties: { a: 3 } }, /3 stands where a schema should/],
  [{ type: "object", required: "a" }, /"required"/],
  [{ anyOf: {} }, /"anyOf"/],
  [{ oneOf: [{ type: "integer" }, { type: "number" }] }, /"oneOf"/],
  [{ oneOf: [{ type: "string" }, { type: "string", maxLength: 3 }] }, /"oneOf"/],
  [{ oneOf: [{ properties: { a: {} } }, { properties: { b: {} } }] }, /"oneOf"/],
  [{ type: "object", enum: [{ a: 1 }], properties: { a: { type: "integer" } } }, /constants of type object beside/],
  [{ $ref: "other.json" }, /leads nowhere/],
  [{ $ref: "#/$defs/__proto__", $defs: {} }, /leads nowhere/],
];

test("keywords, formats and values that cannot be kept to are named", async () => {
  for (const [schema, names] of INVALID) {
    await raises("schema_invalid", names, () => compileSource(sourceOf(schema)));
    const inside = { type: "object", properties: { inner: { anyOf: [{ type: "null" }, schema] } } };
    if (schema.$ref === undefined) await raises("schema_invalid", names, () => compileSource(sourceOf(inside)));
  }
});

const EMPTY: Schema[] = [
  { enum: [] },
  { $ref: "#" },
  { allOf: [{ type: "string" }, { type: "integer" }] },
  { type: "integer", minimum: 3, maximum: 1 },
  { type: "integer", exclusiveMinimum: 3, exclusiveMaximum: 4 },
  { type: "integer", multipleOf: 10, minimum: 1, maximum: 9 },
  { type: "string", minLength: 4, maxLength: 3 },
  { type: "string", pattern: "^a", const: "b" },
  { type: "string", pattern: "^a{3}$", maxLength: 2 },
  { type: "object", required: ["a"], additionalProperties: false },
  { type: "object", minProperties: 2, maxProperties: 1 },
  { type: "object", properties: { a: {} }, additionalProperties: false, minProperties: 2 },
  { type: "object", propertyNames: { enum: ["a"] }, additionalProperties: {}, minProperties: 2 },
  { type: "object", propertyNames: { enum: ["a"] }, required: ["b"] },
  { type: "object", properties: { self: { $ref: "#" } }, required: ["self"] },
  { type: "array", prefixItems: [{ enum: [] }], minItems: 1 },
  { type: "array", items: { $ref: "#" }, minItems: 1 },
];

test("a schema that nothing fits says so, before a token is written", async () => {
  for (const schema of EMPTY) await raises("schema_invalid", /nothing fits/, () => compileSource(sourceOf(schema)));
});

const nested = (levels: number): Schema =>
  Array.from({ length: levels }).reduce<Schema>((items) => ({ type: "array", items }), { type: "null" });

const COMPLEX: Schema[] = [
  { type: "string", pattern: "^[ab]*a[ab]{20}$" },
  { type: "string", pattern: "^(.{0,150}){0,150}$" },
  { allOf: Array.from({ length: 12 }, (_, i) => ({ type: "string", pattern: `^(.{${i + 2}})*$` })) },
  { type: "string", pattern: "^[a-z]+$", maxLength: 1_000_000 },
  { type: "integer", multipleOf: 999_983 },
  { allOf: Array.from({ length: 8 }, () => ({ anyOf: [{ minimum: 1 }, { minimum: 2 }, { minimum: 3 }] })) },
  { patternProperties: Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`^${i}`, {}])) },
  nested(3000),
];

test("what would take too long is refused in bounded time", async () => {
  for (const schema of COMPLEX) {
    const begun = performance.now();
    await raises("schema_too_complex", /complex/, () => compileSource(sourceOf(schema)));
    const seconds = (performance.now() - begun) / 1000;
    assert.ok(seconds < 10, `${JSON.stringify(schema).slice(0, 80)} took ${seconds} s`);
  }
});

test("words that only describe are read over", () => {
  const notes = {
    title: "T",
    description: "D",
    default: 3,
    examples: [1],
    deprecated: true,
    $comment: "C",
    "x-own": {},
  };
  compileSource(
    sourceOf({ ...notes, type: "object", properties: { not: { const: { if: 1 } }, pattern: { ...notes } } }),
  );
});
