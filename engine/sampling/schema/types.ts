// Which types of values schemas that hold together leave.

import { formatPattern, numberFormat } from "../language/formats.ts";
import type { Together } from "./alternatives.ts";
import { OF_TYPE, type Schema } from "./keywords.ts";

export type ValueType = "object" | "array" | "string" | "number" | "boolean" | "null";

const ALL: readonly ValueType[] = ["object", "array", "string", "number", "boolean", "null"];

export interface Types {
  types: readonly ValueType[];
  /** Numbers without a fraction only. */
  integer: boolean;
}

/** Where no schema names a type, its keywords tell: `properties` alone means objects. */
export function typesOf(together: Together): Types {
  let types: readonly ValueType[] = ALL;
  let integer = false;
  let named = false;
  for (const { type } of together) {
    if (type === undefined) continue;
    named = true;
    const list = (Array.isArray(type) ? type : [type]) as string[];
    if (list.includes("integer") && !list.includes("number")) integer = true;
    const plain = list.map((name) => (name === "integer" ? "number" : name));
    types = types.filter((name) => plain.includes(name));
  }
  if (named || together.some((schema) => "enum" in schema || "const" in schema)) return { types, integer };
  const told = ALL.filter((type) => together.some((schema) => tells(schema, type)));
  return { types: told.length > 0 ? told : ALL, integer };
}

function tells(schema: Schema, type: ValueType): boolean {
  if (OF_TYPE[type]?.some((key) => Object.hasOwn(schema, key))) return true;
  const { format } = schema;
  if (typeof format !== "string") return false;
  if (type === "string") return formatPattern(format) !== undefined || numberFormat(format) === undefined;
  return type === "number" && numberFormat(format) !== undefined;
}
