// Python's `%` on strings, in what templates use of it.

import { isDict, isList, numberOf, repr, str, TemplateRuntimeError, Tuple, typeName, type Value } from "./values.ts";

const PLACE = /%(?:\((\w+)\))?([-0]?)(\d*)(?:\.(\d+))?([sdifrx%])/g;

/** @throws TemplateRuntimeError where a value is missing or does not fit its place. */
export function formatted(format: string, given: Value): string {
  const values = given instanceof Tuple ? given : isList(given) ? [given] : [given];
  let next = 0;
  return format.replace(PLACE, (_, name, flag, width, precision, kind) => {
    if (kind === "%") return "%";
    if (name === undefined && next >= values.length) throw new TemplateRuntimeError("not enough values for a format");
    const value = name === undefined ? values[next++] : isDict(given) ? given.get(name) : undefined;
    const text = one(value, kind, precision === undefined ? undefined : Number(precision));
    if (flag === "-") return text.padEnd(Number(width));
    return text.padStart(Number(width), flag === "0" ? "0" : " ");
  });
}

function one(value: Value, kind: string, precision: number | undefined): string {
  if (kind === "s") return str(value).slice(0, precision);
  if (kind === "r") return repr(value);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateRuntimeError(`%${kind} needs a number, not ${typeName(value)}`);
  if (kind === "f") return number.toFixed(precision ?? 6);
  return Math.trunc(number).toString(kind === "x" ? 16 : 10);
}
