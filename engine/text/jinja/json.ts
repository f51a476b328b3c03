// The filter `tojson` as transformers has it: Python's json.dumps, with its spaces.

import { bind } from "./arguments.ts";
import {
  equal,
  type Given,
  isDict,
  isList,
  numberOf,
  order,
  repr,
  TemplateRuntimeError,
  typeName,
  type Value,
} from "./values.ts";

interface Layout {
  /** A level's indentation; undefined: all on one line. */
  indent: string | undefined;
  between: string;
  behindKey: string;
  ascii: boolean;
  sorted: boolean;
}

export function tojson(value: Value, given: Given): string {
  const args = bind("tojson", given, ["ensure_ascii", "indent", "separators", "sort_keys"]);
  const stated = args.value("indent");
  const width = numberOf(stated);
  const indent = typeof stated === "string" ? stated : width === undefined ? undefined : " ".repeat(Math.max(0, width));
  const separators = args.value("separators") ?? [indent === undefined ? ", " : ",", ": "];
  const [between, behindKey] = isList(separators) ? separators : [];
  if (typeof between !== "string" || typeof behindKey !== "string") {
    throw new TemplateRuntimeError("tojson: separators must be two strings");
  }
  const layout = { indent, between, behindKey, ascii: args.flag("ensure_ascii"), sorted: args.flag("sort_keys") };
  return json(value, layout, "\n");
}

/** `line`: how a new line begins at this depth. */
function json(value: Value, layout: Layout, line: string): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return text(value, layout);
  if (numberOf(value) !== undefined) return repr(value);
  const deeper = line + (layout.indent ?? "");
  if (isList(value)) {
    return enclosed(
      "[]",
      value.map((item) => json(item, layout, deeper)),
      layout,
      line,
    );
  }
  if (!isDict(value)) throw new TemplateRuntimeError(`${typeName(value)} is not JSON serializable`);
  const entries = [...value];
  if (layout.sorted) entries.sort(([a], [b]) => (equal(a, b) ? 0 : order(a, b)));
  const parts = entries.map(
    ([key, item]) => text(keyText(key), layout) + layout.behindKey + json(item, layout, deeper),
  );
  return enclosed("{}", parts, layout, line);
}

function enclosed([open, close]: string, parts: readonly string[], { indent, between }: Layout, line: string): string {
  if (indent === undefined || parts.length === 0) return open + parts.join(between) + close;
  const deeper = line + indent;
  return open + deeper + parts.join(between + deeper) + line + close;
}

function keyText(key: Value): string {
  if (typeof key === "string") return key;
  if (key === null) return "null";
  if (typeof key === "boolean") return String(key);
  if (numberOf(key) !== undefined) return repr(key);
  throw new TemplateRuntimeError(`keys must be strings, not ${typeName(key)}`);
}

/** JSON.stringify escapes halves of surrogate pairs, which Python leaves; both leave the rest alone. */
function text(value: string, { ascii }: Layout): string {
  const plain = JSON.stringify(value);
  if (!ascii) return plain;
  return plain.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
