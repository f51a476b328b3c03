// Narrow ranges of integers spelt out as enumerations: XGrammar lets 121 to 129 through where 120 is the maximum.
// It knows nothing of grammars. Wider ranges stay as they are, and are held to their number of digits at least.

const WIDEST = 512;

/** The schema with every integer range of at most 512 values as an `enum` of them. */
export function spellRanges(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(spellRanges);
  if (typeof schema !== "object" || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, spellRanges(value)]);
  return { ...Object.fromEntries(entries), ...spelt(schema) };
}

function spelt(schema: object): { enum: number[] } | undefined {
  const {
    type,
    minimum,
    maximum,
    exclusiveMinimum,
    exclusiveMaximum,
    multipleOf = 1,
  } = schema as Record<string, unknown>;
  if (type !== "integer" || "enum" in schema || "const" in schema) return undefined;
  const least = bound(minimum, exclusiveMinimum, 1);
  const most = bound(maximum, exclusiveMaximum, -1);
  if (least === undefined || most === undefined || most - least >= WIDEST || most < least) return undefined;
  const values = Array.from({ length: most - least + 1 }, (_, i) => least + i);
  return { enum: values.filter((value) => typeof multipleOf === "number" && value % multipleOf === 0) };
}

/** The integer the bounds come to, inclusive; `inward` points into the range. */
function bound(inclusive: unknown, exclusive: unknown, inward: 1 | -1): number | undefined {
  const round = inward === 1 ? Math.ceil : Math.floor;
  const found = [
    ...(typeof inclusive === "number" ? [round(inclusive)] : []),
    ...(typeof exclusive === "number" ? [Number.isInteger(exclusive) ? exclusive + inward : round(exclusive)] : []),
  ];
  if (found.length === 0) return undefined;
  return inward === 1 ? Math.max(...found) : Math.min(...found);
}
