// Arithmetic and comparisons, as Python has them for each pair of types.

import { formatted } from "./format.ts";
import type { Arithmetic, Comparison } from "./nodes.ts";
import {
  asFloat,
  contains,
  equal,
  isFloat,
  isList,
  numberOf,
  order,
  str,
  TemplateRuntimeError,
  typeName,
  type Value,
} from "./values.ts";

/** Longest text or list that a repetition may make: a template has no use for more. */
const LONGEST = 1 << 20;

/** @throws TemplateRuntimeError where Python has no such operation. */
export function arithmetic(operator: Arithmetic, a: Value, b: Value): Value {
  if (operator === "~") return str(a) + str(b);
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) {
    const result = onNumbers(operator, left, right);
    const float = operator === "/" || isFloat(a) || isFloat(b) || (operator === "**" && right < 0);
    return float ? asFloat(result) : result;
  }
  if (operator === "+" && typeof a === "string" && typeof b === "string") return a + b;
  if (operator === "+" && isList(a) && isList(b)) return [...a, ...b];
  if (operator === "%" && typeof a === "string") return formatted(a, b);
  if (operator === "*" && right !== undefined) return repeated(a, right);
  if (operator === "*" && left !== undefined) return repeated(b, left);
  throw new TemplateRuntimeError(`unsupported operand types for ${operator}: ${typeName(a)} and ${typeName(b)}`);
}

function onNumbers(operator: Arithmetic, a: number, b: number): number {
  if (b === 0 && (operator === "/" || operator === "//" || operator === "%")) {
    throw new TemplateRuntimeError("division by zero");
  }
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "//":
      return Math.floor(a / b);
    case "%":
      return a - b * Math.floor(a / b);
    default:
      return a ** b;
  }
}

function repeated(value: Value, times: number): Value {
  const count = Math.max(0, times);
  if (typeof value !== "string" && !isList(value)) throw new TemplateRuntimeError(`${typeName(value)} is not repeated`);
  if (!Number.isInteger(count) || count * value.length > LONGEST) {
    throw new TemplateRuntimeError(`a repetition of ${times} times`);
  }
  return typeof value === "string" ? value.repeat(count) : Array.from({ length: count }, () => value).flat();
}

/** @throws TemplateRuntimeError where Python has no order for them. */
export function compared(operator: Comparison, a: Value, b: Value): boolean {
  switch (operator) {
    case "==":
      return equal(a, b);
    case "!=":
      return !equal(a, b);
    case "<":
      return order(a, b) < 0;
    case "<=":
      return order(a, b) <= 0;
    case ">":
      return order(a, b) > 0;
    case ">=":
      return order(a, b) >= 0;
    case "in":
      return contains(b, a);
    default:
      return !contains(b, a);
  }
}
