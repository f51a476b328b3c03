// Jinja's filters of single values; those of sequences stand in sequence_filters.ts.

import { bind } from "./arguments.ts";
import { entries } from "./attributes.ts";
import { formatted } from "./format.ts";
import { tojson } from "./json.ts";
import { sequenceFilters } from "./sequence_filters.ts";
import { capitalize, replace, strip } from "./strings.ts";
import {
  asFloat,
  type Given,
  isDict,
  isTrue,
  lengthOf,
  numberOf,
  str,
  TemplateRuntimeError,
  tuple,
  typeName,
  type Value,
} from "./values.ts";

export type Filter = (value: Value, given: Given) => Value;

function orElse(value: Value, given: Given): Value {
  const args = bind("default", given, ["default_value", "boolean"]);
  const otherwise = args.value("default_value") ?? "";
  return value === undefined || (args.flag("boolean") && !isTrue(value)) ? otherwise : value;
}

function toInteger(value: Value, given: Given): Value {
  const args = bind("int", given, ["default", "base"]);
  const number = numberOf(value);
  if (number !== undefined) return Math.trunc(number);
  const otherwise = args.value("default") ?? 0;
  if (typeof value !== "string") return otherwise;
  const base = args.integer("base", 10);
  const text = strip(value, null).replaceAll("_", "");
  if (base === 10 && /^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i.test(text)) return Math.trunc(Number(text));
  const parsed = Number.parseInt(text, base);
  return base === 10 || Number.isNaN(parsed) ? otherwise : parsed;
}

function toFloat(value: Value, given: Given): Value {
  const args = bind("float", given, ["default"]);
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : numberOf(value);
  return number === undefined || Number.isNaN(number) ? (args.value("default") ?? asFloat(0)) : asFloat(number);
}

function round(value: Value, given: Given): Value {
  const args = bind("round", given, ["precision", "method"]);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateRuntimeError(`round: ${typeName(value)} is no number`);
  const scale = 10 ** args.integer("precision", 0);
  const scaled = number * scale;
  const method = args.text("method", "common");
  // Python rounds halves to even.
  const even = Math.abs(scaled % 1) === 0.5 ? 2 * Math.round(scaled / 2) : Math.round(scaled);
  return asFloat((method === "ceil" ? Math.ceil(scaled) : method === "floor" ? Math.floor(scaled) : even) / scale);
}

function indent(value: Value, given: Given): Value {
  const args = bind("indent", given, ["width", "first", "blank"]);
  const width = args.value("width") ?? 4;
  const by = typeof width === "string" ? width : " ".repeat(Math.max(0, args.integer("width", 4)));
  const [head = "", ...rest] = str(value).split("\n");
  const indented = rest.map((line) => (line === "" && !args.flag("blank") ? line : by + line));
  return [args.flag("first") ? by + head : head, ...indented].join("\n");
}

/** Jinja's: a word begins behind white space, a dash or an opening bracket. */
function title(value: Value): Value {
  return str(value).replace(/([-\s({[<]*)([^-\s({[<]*)/g, (_, between, word) => between + capitalize(word));
}

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };
const escapeHtml: Filter = (value) => str(value).replace(/[&<>'"]/g, (character) => HTML[character]!);

function absolute(value: Value): Value {
  const number = numberOf(value);
  if (number === undefined) throw new TemplateRuntimeError(`abs: ${typeName(value)} is no number`);
  return typeof value === "number" ? Math.abs(number) : asFloat(Math.abs(number));
}

const length: Filter = (value) => lengthOf(value);

export const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ["tojson", tojson],
  ["default", orElse],
  ["d", orElse],
  ["string", (value) => str(value)],
  ["safe", (value) => value],
  ["escape", escapeHtml],
  ["e", escapeHtml],
  ["length", length],
  ["count", length],
  ["int", toInteger],
  ["float", toFloat],
  ["abs", absolute],
  ["round", round],
  ["trim", (value, given) => strip(str(value), bind("trim", given, ["chars"]).value("chars"))],
  ["upper", (value) => str(value).toUpperCase()],
  ["lower", (value) => str(value).toLowerCase()],
  ["capitalize", (value) => capitalize(str(value))],
  ["title", title],
  ["indent", indent],
  ["format", (value, { positional }) => formatted(str(value), tuple(...positional))],
  ["wordcount", (value) => (str(value).match(/[\p{L}\p{N}_]+/gu) ?? []).length],
  [
    "replace",
    (value, given) => {
      const args = bind("replace", given, ["old", "new", "count"]);
      return replace(str(value), str(args.value("old")), str(args.value("new")), args.integer("count", -1));
    },
  ],
  [
    "items",
    (value) => {
      if (value === undefined) return [];
      if (isDict(value)) return entries(value);
      throw new TemplateRuntimeError(`items: ${typeName(value)} is no mapping`);
    },
  ],
  ...sequenceFilters((name) => FILTERS.get(name)),
]);
