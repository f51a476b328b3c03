// XGrammar's grammar of a schema, narrowed so that every string it allows is JSON: the library lets control characters,
// quotes and backslashes through where a schema has maxLength, minLength or pattern. It knows nothing of tokens.

import { schemaInvalid } from "./schema.ts";

/** What JSON wants escaped; a string held to a length or a pattern is written without escapes. */
const ESCAPED: readonly [from: number, to: number][] = [
  [0x00, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];
const ESCAPED_CLASS = '\\0-\\x1f\\"\\\\';

/**
 * A grammar in XGrammar's EBNF, its character classes without what JSON wants escaped. Rules named `basic_…` are the
 * library's own, of plain JSON, and right.
 *
 * @throws MoloraError `schema_invalid` where nothing is left of a class.
 */
export function withinJson(ebnf: string): string {
  const lines = ebnf
    .split("\n")
    .map((rule) => (rule.startsWith("basic_") ? rule : rule.replace(LITERAL_OR_CLASS, narrow)));
  return lines.join("\n");
}

const LITERAL_OR_CLASS = /"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]/g;

function narrow(token: string): string {
  if (token.startsWith('"')) return token;
  if (token.startsWith("[^")) return `[^${ESCAPED_CLASS}${token.slice(2)}`;
  const kept = rangesOf(token.slice(1, -1)).flatMap(withoutEscaped);
  if (kept.length === 0) throw schemaInvalid(`nothing of ${token} can stand in a string`);
  return `[${kept.map(([from, to]) => (from === to ? codePoint(from) : `${codePoint(from)}-${codePoint(to)}`)).join("")}]`;
}

/** Characters and ranges of a class's inside: `a-z\n\x20`. */
function rangesOf(inside: string): [number, number][] {
  const points = [...inside.matchAll(POINT)].map(([text]) => (text === "-" ? "-" : pointOf(text)));
  const ranges: [number, number][] = [];
  for (let i = 0; i < points.length; i++) {
    const from = points[i];
    const to = points[i + 2];
    if (points[i + 1] === "-" && typeof from === "number" && typeof to === "number") {
      ranges.push([from, to]);
      i += 2;
    } else {
      const point = from === "-" ? 0x2d : from;
      ranges.push([point, point]);
    }
  }
  return ranges;
}

const POINT = /\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\.|./gsu;
const NAMED: Record<string, number> = {
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  f: 0x0c,
  v: 0x0b,
  b: 0x08,
  a: 0x07,
  e: 0x1b,
  "0": 0,
};

function pointOf(text: string): number {
  if (!text.startsWith("\\")) return text.codePointAt(0)!;
  if (/^\\[xuU]/.test(text)) return Number.parseInt(text.slice(2), 16);
  return NAMED[text[1]] ?? text.codePointAt(1)!;
}

function withoutEscaped([from, to]: [number, number]): [number, number][] {
  let rest: [number, number][] = [[from, to]];
  for (const [first, last] of ESCAPED) {
    rest = rest.flatMap(([a, b]) => {
      const parts: [number, number][] = [
        [a, Math.min(b, first - 1)],
        [Math.max(a, last + 1), b],
      ];
      return first > b || last < a ? [[a, b]] : parts.filter(([c, d]) => c <= d);
    });
  }
  return rest;
}

function codePoint(point: number): string {
  return `\\U${point.toString(16).padStart(8, "0")}`;
}
