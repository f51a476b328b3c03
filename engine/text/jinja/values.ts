// What a template computes with: Python's values as JavaScript's, and how Python prints, compares and orders them.

/** A whole number that Python holds as a float: it prints with its ".0". Other floats are plain numbers. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** `undefined` is Jinja's Undefined: nothing was given under the name. */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | Float
  | string
  | readonly Value[]
  | Dict
  | Namespace
  | Callable;

export type Dict = ReadonlyMap<Value, Value>;

/** A list that prints as a tuple. */
export class Tuple extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

export function tuple(...items: Value[]): Tuple {
  const made = new Tuple();
  for (const item of items) made.push(item);
  return made;
}

/** `namespace(…)`: what a loop can change for what follows it. */
export class Namespace {
  readonly entries: Map<string, Value>;

  constructor(entries: Map<string, Value>) {
    this.entries = entries;
  }
}

/** A call's arguments, evaluated. */
export interface Given {
  positional: readonly Value[];
  named: ReadonlyMap<string, Value>;
}

/** A macro, a method, a function of the environment. */
export class Callable {
  readonly name: string;
  readonly call: (given: Given) => Value;

  constructor(name: string, call: (given: Given) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** What a template does that Python would not do either. */
export class TemplateRuntimeError extends Error {}

export function asFloat(value: number): number | Float {
  return Number.isInteger(value) ? new Float(value) : value;
}

/** JSON as a template's values. */
export function toValue(input: unknown): Value {
  if (Array.isArray(input)) return input.map(toValue);
  if (typeof input === "object" && input !== null) {
    return new Map(Object.entries(input).map(([key, value]): [Value, Value] => [key, toValue(value)]));
  }
  return input as Value;
}

export function isDict(value: Value): value is Dict {
  return value instanceof Map;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** A number or what counts as one, or undefined. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Float ? value.value : undefined;
}

export function isFloat(value: Value): boolean {
  return value instanceof Float || (typeof value === "number" && !Number.isInteger(value));
}

export function isTrue(value: Value): boolean {
  if (isList(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  if (value instanceof Float) return value.value !== 0;
  return Boolean(value);
}

export function typeName(value: Value): string {
  if (value === undefined) return "undefined";
  if (value === null) return "None";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "str";
  if (isList(value)) return value instanceof Tuple ? "tuple" : "list";
  if (isDict(value)) return "dict";
  if (value instanceof Namespace) return "namespace";
  if (value instanceof Callable) return "function";
  return isFloat(value) ? "float" : "int";
}

/** As Python's `str`. */
export function str(value: Value): string {
  return typeof value === "string" ? value : value === undefined ? "" : repr(value);
}

/** As Python's `repr`. */
export function repr(value: Value): string {
  if (value === undefined) return "Undefined";
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return numberText(value);
  if (value instanceof Float) return floatText(value.value);
  if (typeof value === "string") return quoted(value);
  if (isDict(value)) return `{${[...value].map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(", ")}}`;
  if (isList(value)) {
    const items = value.map(repr).join(", ");
    return value instanceof Tuple ? `(${items}${value.length === 1 ? "," : ""})` : `[${items}]`;
  }
  if (value instanceof Namespace) return `<Namespace ${repr(new Map(value.entries))}>`;
  return `<function ${value.name}>`;
}

function floatText(whole: number): string {
  return Math.abs(whole) < 1e16 ? `${numberText(whole)}.0` : exponentText(whole.toExponential());
}

/** Exponents of two digits at least; whole numbers without one, however large. */
export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return BigInt(value).toString();
  const text = String(value);
  // Python writes 0.00001 as 1e-05, JavaScript as 0.00001.
  const small = Math.abs(value) < 1e-4 && !text.includes("e") ? value.toExponential() : text;
  return exponentText(small);
}

function exponentText(text: string): string {
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

const PRINTABLE_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\'\n\r\t]|[^\P{C}]|[^\P{Z} ]/gu, (character) => {
    if (character === "'") return quote === "'" ? "\\'" : "'";
    const known = PRINTABLE_ESCAPES[character];
    if (known !== undefined) return known;
    const code = character.codePointAt(0)!;
    const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return `\\${letter}${code.toString(16).padStart(Number(digits), "0")}`;
  });
  return quote + escaped + quote;
}

/** As Python's `==`: by value, in lists and dicts too; true is 1. */
export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined || right !== undefined) return left === right;
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (!isDict(a) || !isDict(b) || a.size !== b.size) return false;
  return [...a].every(([key, item]) => b.has(key) && equal(item, b.get(key)));
}

/** Below 0 where `a` is less, above where it is more. @throws TemplateRuntimeError where Python has no order for them. */
export function order(a: Value, b: Value): number {
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) return left - right;
  if (typeof a === "string" && typeof b === "string") return orderOfTexts(a, b);
  if (isList(a) && isList(b)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (!equal(a[i], b[i])) return order(a[i], b[i]);
    return a.length - b.length;
  }
  throw new TemplateRuntimeError(`'<' not supported between ${typeName(a)} and ${typeName(b)}`);
}

/** By code points, where JavaScript goes by UTF-16 units. */
function orderOfTexts(a: string, b: string): number {
  const [left, right] = [points(a), points(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i] !== right[i]) return left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
  }
  return left.length - right.length;
}

/** As Python's `in`. @throws TemplateRuntimeError for what holds nothing. */
export function contains(whole: Value, part: Value): boolean {
  if (whole === undefined) return false;
  if (isList(whole)) return whole.some((item) => equal(item, part));
  if (isDict(whole)) return whole.has(part);
  if (typeof whole === "string" && typeof part === "string") return whole.includes(part);
  throw new TemplateRuntimeError(`'in' asks ${typeName(whole)} for ${typeName(part)}`);
}

/** What a loop goes through. @throws TemplateRuntimeError for what cannot be gone through. */
export function items(value: Value): readonly Value[] {
  if (isList(value)) return value;
  if (value === undefined) return [];
  if (isDict(value)) return [...value.keys()];
  if (typeof value === "string") return points(value);
  throw new TemplateRuntimeError(`${typeName(value)} is not iterable`);
}

/** A text's code points, which is what Python counts. */
export function points(text: string): readonly string[] {
  return Array.from(text);
}

export function lengthOf(value: Value): number {
  if (typeof value === "string" && !/[\ud800-\udbff]/.test(value)) return value.length;
  if (isDict(value)) return value.size;
  return items(value).length;
}
