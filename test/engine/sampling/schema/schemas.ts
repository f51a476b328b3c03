// Random schemas of the kinds that are supported.

import fc from "fast-check";

export type Schema = Record<string, unknown>;

const name = fc.constantFrom("a", "b", "id", "x y", 'quo"te', "ключ", "constructor", "type", "");
const places = fc.constantFrom(-3, -2, -1, 0, 0, 0, 2);
const bound = fc
  .tuple(fc.integer({ min: -9999, max: 9999 }), places)
  .map(([units, exponent]) => Number(`${units}e${exponent}`));

function ordered(low: string, high: string) {
  return fc.tuple(bound, bound).map(([a, b]) => ({ [low]: Math.min(a, b), [high]: Math.max(a, b) + 0.5 }));
}

const number: fc.Arbitrary<Schema> = fc
  .tuple(
    fc.constantFrom("number", "number", "integer"),
    fc.oneof(
      fc.constant({}),
      bound.map((minimum) => ({ minimum })),
      bound.map((maximum) => ({ maximum })),
      bound.map((exclusiveMinimum) => ({ exclusiveMinimum })),
      ordered("minimum", "maximum"),
      ordered("exclusiveMinimum", "maximum"),
      fc.integer({ min: 1, max: 12 }).map((multipleOf) => ({ multipleOf })),
    ),
  )
  .map(([type, bounds]) => ({ type, ...bounds }));

const string: fc.Arbitrary<Schema> = fc.oneof(
  fc.constant({ type: "string" }),
  fc.nat(6).map((maxLength) => ({ type: "string", maxLength })),
  fc
    .tuple(fc.nat(4), fc.nat(600))
    .map(([minLength, more]) => ({ type: "string", minLength, maxLength: minLength + more })),
  fc
    .constantFrom("^[a-z]{2,5}$", "^\\d+", "x$", '^["\\\\\\n]{1,3}$', "^(?!a)[ab]{1,4}$", "^\\S{3}$", "^[^ -~]{1,2}$")
    .map((pattern) => ({ type: "string", pattern })),
  fc
    .constantFrom("date", "time", "date-time", "uuid", "ipv4", "ipv6", "email")
    .map((format) => ({ type: "string", format })),
  fc.constant({ type: "string", pattern: "^[a-f0-9]{2}", maxLength: 4 }),
  fc.constant({ type: "string", format: "date", pattern: "^20" }),
);

const constant = fc.oneof(
  fc
    .uniqueArray(fc.oneof(fc.string({ maxLength: 5 }), fc.integer(), fc.boolean(), fc.constant(null)), {
      minLength: 1,
      maxLength: 14,
    })
    .map((list) => ({ enum: list })),
  fc.constantFrom("x", 'a"b', 3, null, true, { a: [1, "two"] }, []).map((value) => ({ const: value })),
);

const leaf: fc.Arbitrary<Schema> = fc.oneof(
  number,
  string,
  constant,
  fc.constantFrom<Schema[]>({ type: "boolean" }, { type: "null" }, { type: ["string", "null"], maxLength: 3 }),
);

export const { schema } = fc.letrec<{ schema: Schema; object: Schema; record: Schema; array: Schema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    { weight: 3, arbitrary: leaf },
    { weight: 3, arbitrary: tie("object") },
    { weight: 2, arbitrary: tie("record") },
    { weight: 2, arbitrary: tie("array") },
    {
      weight: 1,
      arbitrary: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    },
  ),
  object: fc
    .tuple(
      fc.uniqueArray(name, { minLength: 1, maxLength: 4 }),
      fc.array(tie("schema"), { minLength: 4, maxLength: 4 }),
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      fc.constantFrom(undefined, false, true, { type: "integer" }),
      fc.nat(2),
    )
    .map(([names, values, required, additionalProperties, least]) => ({
      type: "object",
      properties: Object.fromEntries(names.map((each, i) => [each, values[i]])),
      required: names.filter((_, i) => required[i]),
      ...(additionalProperties === undefined ? {} : { additionalProperties }),
      ...(least === 0 || names.length < least ? {} : { minProperties: least }),
    })),
  record: fc
    .tuple(
      fc.oneof(
        fc.constant({}),
        fc.constant({ propertyNames: { pattern: "^[a-z]{1,3}$" } }),
        fc
          .uniqueArray(name, { minLength: 2, maxLength: 4 })
          .map((list) => ({ propertyNames: { type: "string", enum: list } })),
        fc.constant({ patternProperties: { "^n": { type: "integer" }, s$: { type: ["integer", "null"] } } }),
        fc.constant({ required: ["undeclared"] }),
      ),
      tie("schema"),
      fc.nat(2),
      fc.nat(2),
    )
    .map(([names, additionalProperties, minProperties, more]) => ({
      type: "object",
      ...names,
      additionalProperties,
      minProperties,
      maxProperties: minProperties + Math.max(more, 1),
    })),
  array: fc
    .tuple(
      tie("schema"),
      fc.nat(2),
      fc.nat(3),
      fc.option(fc.array(tie("schema"), { minLength: 1, maxLength: 2 }), { nil: undefined }),
    )
    .map(([items, minItems, more, prefixItems]) => ({
      type: "array",
      items,
      minItems,
      maxItems: minItems + more,
      ...(prefixItems === undefined ? {} : { prefixItems }),
    })),
}));
