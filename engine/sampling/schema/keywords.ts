// What of a JSON schema is held to, what says nothing of the value, and what is refused by name.

import { schemaInvalid } from "../language/budget.ts";

/** A schema that is an object; `true` and `false` are written as `{}` and as the one nothing fits. */
export type Schema = Readonly<Record<string, unknown>>;

/** Keywords that are read where the type is theirs. */
export const OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  object: [
    ...["properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"],
    ...["required", "minProperties", "maxProperties"],
  ],
  array: ["items", "prefixItems", "additionalItems", "unevaluatedItems", "minItems", "maxItems", "uniqueItems"],
  string: ["minLength", "maxLength", "pattern"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
};

const REFUSED = [
  ...["not", "if", "then", "else", "contains", "minContains", "maxContains"],
  ...["dependentSchemas", "dependentRequired", "dependencies"],
  ...["$dynamicRef", "$recursiveRef"],
];

const COUNTS = ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];
const NUMBERS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const LISTS = ["enum", "required", "allOf", "anyOf", "oneOf", "prefixItems"];
const RECORDS = ["properties", "patternProperties", "$defs", "definitions"];
export const TYPES = ["object", "array", "string", "number", "integer", "boolean", "null"];

/** @throws MoloraError `schema_invalid` for a keyword that cannot be held to, or whose value is of the wrong type. */
export function checkKeywords(schema: Schema): void {
  for (const [key, value] of Object.entries(schema)) {
    if (REFUSED.includes(key)) throw unsupported(key);
    if (key === "uniqueItems" && value !== false) throw unsupported(key);
    if (key === "unevaluatedItems" && value !== false) throw unsupported(key);
    if (key === "unevaluatedProperties" && typeof value !== "boolean") throw unsupported(key);
    if (COUNTS.includes(key) && !(Number.isInteger(value) && Number(value) >= 0))
      throw wrong(key, "an integer from 0 up");
    if (NUMBERS.includes(key) && !(typeof value === "number" && Number.isFinite(value))) throw wrong(key, "a number");
    if (key === "multipleOf" && Number(value) <= 0) throw wrong(key, "above 0");
    if (LISTS.includes(key) && !Array.isArray(value)) throw wrong(key, "a list");
    if (RECORDS.includes(key) && !isRecord(value)) throw wrong(key, "an object");
    if ((key === "pattern" || key === "format" || key === "$ref") && typeof value !== "string")
      throw wrong(key, "a text");
    if (key === "type") checkType(value);
    if (key === "required" && !(value as unknown[]).every((name) => typeof name === "string"))
      throw wrong(key, "names");
  }
}

function checkType(value: unknown): void {
  for (const type of Array.isArray(value) ? value : [value]) {
    if (!TYPES.includes(type)) throw schemaInvalid(`Unsupported type ${JSON.stringify(type)}`);
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What only says that nothing fits. */
export const NOTHING: Schema = { enum: [] };

/** @throws MoloraError `schema_invalid` for what is no schema. */
export function asSchema(value: unknown): Schema {
  if (value === true) return {};
  if (value === false) return NOTHING;
  if (isRecord(value)) return value;
  throw schemaInvalid(`${JSON.stringify(value)?.slice(0, 40)} stands where a schema should`);
}

function unsupported(key: string) {
  return schemaInvalid(`the keyword "${key}" is not supported`);
}

function wrong(key: string, wanted: string) {
  return schemaInvalid(`"${key}" is not ${wanted}`);
}
