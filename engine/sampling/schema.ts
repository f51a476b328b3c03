// What of a JSON schema cannot be held to by a grammar, refused before one is made: XGrammar would leave it out in silence.
// It knows nothing of grammars.

import { MoloraError } from "../../proto/errors.ts";

/** Keywords that XGrammar reads over. */
const IGNORED = [
  ...["not", "if", "then", "else", "uniqueItems", "contains", "minContains", "maxContains"],
  ...["dependentSchemas", "dependentRequired", "dependencies", "$dynamicRef"],
];
/** Keywords whose value is schemas by name. */
const BY_NAME = ["properties", "patternProperties", "$defs", "definitions"];
/** Keywords whose value is no schema, whatever it looks like. */
const VALUES = ["enum", "const", "default", "examples", "example"];

/** @throws MoloraError `schema_invalid` for a keyword or a pattern that would not be kept. */
export function checkSchema(schema: unknown): void {
  if (Array.isArray(schema)) for (const item of schema) checkSchema(item);
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return;
  for (const [key, value] of Object.entries(schema)) {
    if (IGNORED.includes(key) && value !== false) throw schemaInvalid(`the keyword "${key}" is not supported`);
    if (key === "pattern" && typeof value === "string") checkPattern(value);
    if (VALUES.includes(key)) continue;
    if (!BY_NAME.includes(key) || typeof value !== "object" || value === null) {
      checkSchema(value);
      continue;
    }
    if (key === "patternProperties") for (const pattern of Object.keys(value)) checkPattern(pattern);
    for (const named of Object.values(value)) checkSchema(named);
  }
}

/** A string held to a pattern is written without escapes, so that a pattern cannot spell out what JSON wants escaped. */
function checkPattern(pattern: string): void {
  // Within a class it is narrowed away.
  const outside = pattern.replace(/\[(?:\\.|[^\]\\])*\]/g, "");
  const spelt = /["\p{Cc}]|\\["\\nrtfv0xucbB]/u.exec(outside);
  if (spelt === null) return;
  throw schemaInvalid(
    `the pattern ${JSON.stringify(pattern.slice(0, 80))} needs ${JSON.stringify(spelt[0])} in a string`,
  );
}

export function schemaInvalid(reason: string): MoloraError {
  return new MoloraError("schema_invalid", `the schema cannot be compiled: ${reason}`, {
    remedy: "Mend or simplify the JSON schema.",
  });
}
