// The values that `enum` and `const` leave, those of them that the other keywords allow.

import { fitsText } from "../language/automaton.ts";
import { schemaInvalid } from "../language/budget.ts";
import type { Together } from "./alternatives.ts";
import { isRecord, OF_TYPE, type Schema } from "./keywords.ts";
import { numberBounds, type Scalars } from "./scalars.ts";
import { typesOf, type ValueType } from "./types.ts";

/** Undefined where any value may be. @throws MoloraError `schema_invalid` for listed objects under further keywords. */
export function constantsOf(together: Together, scalars: Scalars): unknown[] | undefined {
  const lists = together.flatMap((schema): unknown[][] => [
    ...(Object.hasOwn(schema, "enum") ? [schema.enum as unknown[]] : []),
    ...(Object.hasOwn(schema, "const") ? [[schema.const]] : []),
  ]);
  if (lists.length === 0) return undefined;
  const [first, ...others] = lists.map((list) => list.map(canonical));
  const kept = new Set(first.filter((text) => others.every((list) => list.includes(text))));
  const seen = new Set<string>();
  return lists[0].filter((value, i) => {
    const isNew = kept.has(first[i]) && !seen.has(first[i]);
    seen.add(first[i]);
    return isNew && fitsConstant(value, together, scalars);
  });
}

/** Whether a constant keeps to the keywords beside it, `enum` and `const` left out of account. */
export function fitsConstant(value: unknown, together: Together, scalars: Scalars): boolean {
  const type = typeOf(value);
  const { types, integer } = typesOf(together);
  if (!types.includes(type)) return false;
  const beside = together.filter((schema) => OF_TYPE[type]?.some((key) => Object.hasOwn(schema, key)));
  if (type === "string") {
    const asked = together.some((schema) => Object.hasOwn(schema, "format")) || beside.length > 0;
    return !asked || fitsText(scalars.string(together), value as string);
  }
  if (type === "number") return fitsNumber(value as number, together, integer);
  if (beside.length === 0 || type === "boolean" || type === "null") return true;
  const key = Object.keys(beside[0] as Schema).find((name) => OF_TYPE[type].includes(name));
  throw schemaInvalid(`constants of type ${type} beside "${key}" are not supported`);
}

function fitsNumber(value: number, together: Together, integer: boolean): boolean {
  const { min, max, exclusiveMin, exclusiveMax, multiplesOf } = numberBounds(together, integer);
  return (
    (!integer || Number.isInteger(value)) &&
    value >= (min ?? value) &&
    value <= (max ?? value) &&
    (exclusiveMin === undefined || value > exclusiveMin) &&
    (exclusiveMax === undefined || value < exclusiveMax) &&
    multiplesOf.every((divisor) => Number.isInteger(value / divisor))
  );
}

export function typeOf(value: unknown): ValueType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as ValueType;
}

/** Equal for equal JSON values, whatever the order of their properties. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isRecord(value)) return JSON.stringify(value);
  const parts = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${parts.join(",")}}`;
}
