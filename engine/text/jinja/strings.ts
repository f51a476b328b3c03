// Methods of strings, as Python has them.

import { bind } from "./arguments.ts";
import { type Given, isList, items, points, repr, TemplateRuntimeError, tuple, type Value } from "./values.ts";

/** Python's white space. JavaScript's own leaves out U+0085 and the separators below U+0020, and has U+FEFF. */
const SPACE = "\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LEADING = new RegExp(`^[${SPACE}]+`);
const WORDS = new RegExp(`[^${SPACE}]+`, "g");
const IS_SPACE = new RegExp(`^[${SPACE}]+$`);
const LINE_ENDS = "\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029";
const LINES = new RegExp(`\\r\\n|[${LINE_ENDS}]`, "g");

type Side = "left" | "right" | "both";

/** Takes `characters` (default: white space) away from the ends. */
export function strip(text: string, characters: Value, side: Side = "both"): string {
  let [from, to] = [0, text.length];
  if (characters === undefined || characters === null) {
    if (side !== "right") from = LEADING.exec(text)?.[0].length ?? 0;
    if (side !== "left") while (to > from && IS_SPACE.test(text[to - 1]!)) to--;
    return text.slice(from, to);
  }
  if (typeof characters !== "string") throw new TemplateRuntimeError("strip takes characters as a string");
  const taken = new Set(points(characters));
  const all = points(text);
  [from, to] = [0, all.length];
  if (side !== "right") while (from < to && taken.has(all[from]!)) from++;
  if (side !== "left") while (to > from && taken.has(all[to - 1]!)) to--;
  return all.slice(from, to).join("");
}

/** As `str.replace`: an empty text is found between all characters. */
export function replace(text: string, from: string, to: string, count = -1): string {
  const limit = count < 0 ? Number.POSITIVE_INFINITY : count;
  const parts = from === "" ? ["", ...points(text), ""] : text.split(from);
  const replaced = Math.min(limit, parts.length - 1);
  return (
    parts.slice(0, replaced + 1).join(to) + parts.slice(replaced + 1).reduce((rest, part) => rest + from + part, "")
  );
}

/** As `str.split`, and `str.rsplit` from the right. */
export function split(text: string, separator: Value, most: number, fromRight: boolean): string[] {
  const limit = most < 0 ? Number.POSITIVE_INFINITY : most;
  if (separator === undefined || separator === null) return splitWords(text, limit, fromRight);
  if (typeof separator !== "string" || separator === "") throw new TemplateRuntimeError("empty separator");
  const parts = text.split(separator);
  if (parts.length - 1 <= limit) return parts;
  const at = fromRight ? parts.length - limit : limit;
  return fromRight
    ? [parts.slice(0, at).join(separator), ...parts.slice(at)]
    : [...parts.slice(0, at), parts.slice(at).join(separator)];
}

function splitWords(text: string, limit: number, fromRight: boolean): string[] {
  const words = [...text.matchAll(WORDS)];
  if (words.length - 1 <= limit) return words.map(([word]) => word);
  const texts = words.map(([word]) => word);
  if (fromRight) {
    const last = words[words.length - limit - 1]!;
    const rest = strip(text.slice(0, last.index + last[0].length), null, "left");
    return [rest, ...texts.slice(words.length - limit)];
  }
  return [...texts.slice(0, limit), strip(text.slice(words[limit]!.index), null, "left")];
}

export function capitalize(text: string): string {
  const [first = "", ...rest] = points(text);
  return first.toUpperCase() + rest.join("").toLowerCase();
}

function splitLines(text: string, keepEnds: boolean): string[] {
  const lines: string[] = [];
  let done = 0;
  for (const { 0: end, index } of text.matchAll(LINES)) {
    lines.push(text.slice(done, keepEnds ? index + end.length : index));
    done = index + end.length;
  }
  if (done < text.length) lines.push(text.slice(done));
  return lines;
}

function hasAffix(text: string, affix: Value, has: (text: string, affix: string) => boolean): boolean {
  if (typeof affix === "string") return has(text, affix);
  if (isList(affix)) return affix.some((one) => hasAffix(text, one, has));
  throw new TemplateRuntimeError("startswith and endswith take a string, or several");
}

function partition(text: string, separator: string, at: number): Value {
  if (at === -1) return undefined;
  return tuple(text.slice(0, at), separator, text.slice(at + separator.length));
}

/** By name: what takes the string, and the call's arguments. */
export const STRING_METHODS: ReadonlyMap<string, (text: string, given: Given) => Value> = new Map<
  string,
  (text: string, given: Given) => Value
>([
  ["upper", (text) => text.toUpperCase()],
  ["lower", (text) => text.toLowerCase()],
  ["casefold", (text) => text.toLowerCase()],
  ["capitalize", capitalize],
  ["title", (text) => text.replace(/\p{L}+/gu, capitalize)],
  ["strip", (text, given) => strip(text, bind("strip", given, ["chars"]).value("chars"))],
  ["lstrip", (text, given) => strip(text, bind("lstrip", given, ["chars"]).value("chars"), "left")],
  ["rstrip", (text, given) => strip(text, bind("rstrip", given, ["chars"]).value("chars"), "right")],
  ["startswith", (text, { positional }) => hasAffix(text, positional[0], (all, one) => all.startsWith(one))],
  ["endswith", (text, { positional }) => hasAffix(text, positional[0], (all, one) => all.endsWith(one))],
  [
    "split",
    (text, given) => {
      const args = bind("split", given, ["sep", "maxsplit"]);
      return split(text, args.value("sep"), args.integer("maxsplit", -1), false);
    },
  ],
  [
    "rsplit",
    (text, given) => {
      const args = bind("rsplit", given, ["sep", "maxsplit"]);
      return split(text, args.value("sep"), args.integer("maxsplit", -1), true);
    },
  ],
  ["splitlines", (text, given) => splitLines(text, bind("splitlines", given, ["keepends"]).flag("keepends"))],
  [
    "replace",
    (text, given) => {
      const args = bind("replace", given, ["old", "new", "count"]);
      return replace(text, args.text("old"), args.text("new"), args.integer("count", -1));
    },
  ],
  [
    "removeprefix",
    (text, given) => {
      const prefix = bind("removeprefix", given, ["prefix"]).text("prefix");
      return text.startsWith(prefix) ? text.slice(prefix.length) : text;
    },
  ],
  [
    "removesuffix",
    (text, given) => {
      const suffix = bind("removesuffix", given, ["suffix"]).text("suffix");
      return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
    },
  ],
  [
    "partition",
    (text, given) => {
      const separator = bind("partition", given, ["sep"]).text("sep");
      return partition(text, separator, text.indexOf(separator)) ?? tuple(text, "", "");
    },
  ],
  [
    "rpartition",
    (text, given) => {
      const separator = bind("rpartition", given, ["sep"]).text("sep");
      return partition(text, separator, text.lastIndexOf(separator)) ?? tuple("", "", text);
    },
  ],
  ["find", (text, given) => pointIndex(text, bind("find", given, ["sub"]).text("sub"), false)],
  ["rfind", (text, given) => pointIndex(text, bind("rfind", given, ["sub"]).text("sub"), true)],
  [
    "index",
    (text, given) => {
      const sub = bind("index", given, ["sub"]).text("sub");
      const at = pointIndex(text, sub, false);
      if (at === -1) throw new TemplateRuntimeError(`substring ${repr(sub)} not found`);
      return at;
    },
  ],
  ["count", (text, given) => text.split(bind("count", given, ["sub"]).text("sub")).length - 1],
  [
    "join",
    (text, given) =>
      items(given.positional[0])
        .map((item) => {
          if (typeof item === "string") return item;
          throw new TemplateRuntimeError("join takes strings");
        })
        .join(text),
  ],
  ["isdigit", (text) => /^\p{Nd}+$/u.test(text)],
  ["isalpha", (text) => /^\p{L}+$/u.test(text)],
  ["isalnum", (text) => /^[\p{L}\p{N}]+$/u.test(text)],
  ["isspace", (text) => IS_SPACE.test(text)],
  ["isupper", (text) => text !== text.toLowerCase() && text === text.toUpperCase()],
  ["islower", (text) => text !== text.toUpperCase() && text === text.toLowerCase()],
  ["zfill", (text, given) => text.padStart(bind("zfill", given, ["width"]).integer("width"), "0")],
]);

/** Where a text stands in another, in code points. */
function pointIndex(text: string, sub: string, last: boolean): number {
  const at = last ? text.lastIndexOf(sub) : text.indexOf(sub);
  return at === -1 ? -1 : points(text.slice(0, at)).length;
}
