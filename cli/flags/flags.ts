// The kinds of flags: switches, texts, numbers, choices, lists, name=PATH pairs.

import type { Flag } from "./arguments.ts";

/** A name and its path, from `name=PATH`. */
export interface NamedPath {
  name: string;
  path: string;
}

interface Range {
  min?: number;
  max?: number;
}

/** On or off: `--json`. */
export function toggle(summary: string): Flag<boolean> {
  return { kind: "toggle", summary, read: (texts) => texts.length > 0 };
}

/** Any text. Without a fallback: undefined where it was not given. */
export function text(placeholder: string, summary: string): Flag<string | undefined>;
export function text(placeholder: string, summary: string, fallback: string): Flag<string>;
export function text(placeholder: string, summary: string, fallback?: string): Flag<string | undefined> {
  return { kind: "text", summary: withDefault(summary, fallback), placeholder, read: ([given]) => given ?? fallback };
}

/** A JSON object. */
export function jsonObject(placeholder: string, summary: string): Flag<Record<string, unknown> | undefined> {
  const read = ([given]: string[]): Record<string, unknown> | undefined => {
    if (given === undefined) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(given);
    } catch {
      throw new Error(`must be ${placeholder}, and this is no JSON: ${given}`);
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    throw new Error(`must be a JSON object, not ${given}`);
  };
  return { kind: "text", summary, placeholder, read };
}

/** A text that is not shown again, such as a key. */
export function secret(placeholder: string, summary: string): Flag<string | undefined> {
  return { ...text(placeholder, summary), secret: true };
}

/** A finite number within `range`. */
export function number(placeholder: string, summary: string, range?: Range): Flag<number | undefined>;
export function number(placeholder: string, summary: string, range: Range, fallback: number): Flag<number>;
export function number(placeholder: string, summary: string, range: Range = {}, fallback?: number) {
  return numeric(placeholder, summary, range, fallback, "a number", Number.isFinite);
}

/** A whole number within `range`. */
export function integer(placeholder: string, summary: string, range?: Range): Flag<number | undefined>;
export function integer(placeholder: string, summary: string, range: Range, fallback: number): Flag<number>;
export function integer(placeholder: string, summary: string, range: Range = {}, fallback?: number) {
  return numeric(placeholder, summary, range, fallback, "a whole number", Number.isSafeInteger);
}

/** One of `values`. */
export function choice<const V extends string>(values: readonly V[], summary: string, fallback: V): Flag<V> {
  const read = ([given]: string[]): V => {
    if (given === undefined) return fallback;
    const value = values.find((candidate) => candidate === given);
    if (value === undefined) throw new Error(`must be one of ${values.join(", ")}, not ${given}`);
    return value;
  };
  return { kind: "text", summary: withDefault(summary, fallback), placeholder: values.join("|"), read };
}

/** Any number of texts: the flag may be repeated. */
export function list(placeholder: string, summary: string): Flag<string[]> {
  return { kind: "list", summary, placeholder, repeatable: true, read: (texts) => texts };
}

/** Any number of `name=PATH`, each with another name. */
export function namedPaths(placeholder: string, summary: string): Flag<NamedPath[]> {
  return {
    kind: "paths",
    summary,
    placeholder,
    repeatable: true,
    read: (texts) => readNamedPaths(texts, placeholder),
  };
}

function readNamedPaths(texts: string[], placeholder: string): NamedPath[] {
  const pairs = texts.map((given) => {
    const at = given.indexOf("=");
    const [name, path] = [given.slice(0, at), given.slice(at + 1)];
    if (at < 1 || path === "") throw new Error(`must be ${placeholder}, not ${given}`);
    if (!/^[\w.:/-]+$/.test(name))
      throw new Error(`has a name of other than letters, digits and . _ - : / in ${given}`);
    return { name, path };
  });
  const twice = pairs.find(({ name }, index) => pairs.findIndex((pair) => pair.name === name) < index);
  if (twice !== undefined) throw new Error(`names ${twice.name} twice`);
  return pairs;
}

function numeric(
  placeholder: string,
  summary: string,
  range: Range,
  fallback: number | undefined,
  kind: string,
  fits: (value: number) => boolean,
): Flag<number | undefined> {
  const { min = -Infinity, max = Infinity } = range;
  const read = ([given]: string[]): number | undefined => {
    if (given === undefined) return fallback;
    const value = given.trim() === "" ? Number.NaN : Number(given);
    if (!fits(value) || value < min || value > max) {
      throw new Error(`must be ${kind}${rangeText(min, max)}, not ${given}`);
    }
    return value;
  };
  return { kind: "number", summary: withDefault(summary, fallback), placeholder, read };
}

function rangeText(min: number, max: number): string {
  if (min === -Infinity && max === Infinity) return "";
  if (max === Infinity) return ` of at least ${min}`;
  return min === -Infinity ? ` of at most ${max}` : ` from ${min} to ${max}`;
}

function withDefault(summary: string, fallback: string | number | undefined): string {
  return fallback === undefined ? summary : `${summary} (default: ${fallback})`;
}
