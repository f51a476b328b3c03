// How text is cut before merging: tokenizer.json's pre-tokenizers, cutting exactly where Rust `tokenizers` does and one
// piece at a time, so that a long text can be cut in steps.

import { isObject, type JsonObject, tokenizerInvalid } from "./fields.ts";
import { libraryPattern, libraryPreTokenizer } from "./library.ts";
import { replaceLiteral } from "./replace_literal.ts";
import { byteSpelling, utf8 } from "./token_bytes.ts";

export const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Cuts at every match; what lies between matches is kept as pieces of its own. */
export function splitOn(pattern: string): JsonObject {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

/** Spells each byte as one character, cutting nowhere. */
export const BYTE_LEVEL: JsonObject = {
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: false,
};

/** The pieces of a text. `first`: it stands at the very beginning, no special token before it. */
type Cut = (text: string, first: boolean) => Iterable<string>;

export interface PreTokenizer {
  cut: Cut;
  /** Symbols are bytes: the model spells them. */
  byteLevel: boolean;
  /** Every character of the text is in some piece. */
  keepsAll: boolean;
}

/** @throws MoloraError `tokenizer_invalid` for a kind that is unknown, or a field that is not what it must be. */
export function preTokenizer(node: unknown): PreTokenizer {
  const steps = flatten(node);
  // Bytes are spelt by the model where nothing follows that would look at the spelling.
  const byteLevel = steps.at(-1)?.type === "ByteLevel";
  const cuts = steps.map((step, i) => compile(step, byteLevel && i === steps.length - 1));
  return { cut: cuts.reduce(chain, whole), byteLevel, keepsAll: steps.every(keepsAll) };
}

function flatten(node: unknown): JsonObject[] {
  if (node === null || node === undefined) return [];
  if (!isObject(node)) throw tokenizerInvalid("a pre-tokenizer is no object");
  if (node.type !== "Sequence") return [node];
  if (!Array.isArray(node.pretokenizers)) throw tokenizerInvalid("a Sequence has no list of pretokenizers");
  return node.pretokenizers.flatMap(flatten);
}

function whole(text: string): Iterable<string> {
  return [text];
}

function chain(before: Cut, after: Cut): Cut {
  if (before === whole) return after;
  return function* (text, first) {
    for (const piece of before(text, first)) yield* after(piece, first);
  };
}

function compile(node: JsonObject, spelledLater: boolean): Cut {
  switch (node.type) {
    case "Split":
      return split(regex(node.pattern), behavior(node.behavior), boolean(node, "invert", false));
    case "Digits":
      return isolated(boolean(node, "individual_digits", false) ? "\\p{N}" : "\\p{N}+");
    case "ByteLevel":
      return byteLevel(node, spelledLater);
    case "Metaspace":
      return metaspace(node);
    default:
      return eager(node);
  }
}

/** Those that leave out what they cut at. */
function keepsAll(node: JsonObject): boolean {
  if (node.type === "Split") return node.behavior !== "Removed";
  return node.type === "Digits" || node.type === "ByteLevel" || node.type === "Metaspace";
}

function byteLevel(node: JsonObject, spelledLater: boolean): Cut {
  const prefix = boolean(node, "add_prefix_space", true);
  const cut = boolean(node, "use_regex", true) ? isolated(GPT2_PATTERN) : whole;
  return function* (text, first) {
    const pieces = cut(prefix && !text.startsWith(" ") ? ` ${text}` : text, first);
    for (const piece of pieces) {
      yield spelledLater ? piece : Array.from(utf8(piece), (byte) => byteSpelling[byte]!).join("");
    }
  };
}

function metaspace(node: JsonObject): Cut {
  const replacement = string(node, "replacement", "▁");
  const scheme = node.prepend_scheme ?? (node.add_prefix_space === false ? "never" : "always");
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") {
    throw tokenizerInvalid(`Metaspace's prepend_scheme is ${JSON.stringify(scheme)}`);
  }
  const cut = boolean(node, "split", true) ? split(regex({ String: replacement }), "MergedWithNext", false) : whole;
  return (text, first) => {
    const replaced = replaceLiteral(text, " ", replacement);
    const prepend = scheme === "always" || (scheme === "first" && first);
    return cut(prepend && !replaced.startsWith(replacement) ? replacement + replaced : replaced, first);
  };
}

const BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;
type Behavior = (typeof BEHAVIORS)[number];

function behavior(value: unknown): Behavior {
  const found = BEHAVIORS.find((name) => name === value);
  if (found === undefined) throw tokenizerInvalid(`Split's behavior is ${JSON.stringify(value)}`);
  return found;
}

const isolated = (pattern: string): Cut => split(regex({ Regex: pattern }), "Isolated", false);

/** `invert`: what lies between the matches counts as matched, and the matches as what lies between. */
function split(pattern: RegExp, behavior: Behavior, invert: boolean): Cut {
  return function* (text) {
    let held = "";
    let heldMatched = false;
    for (const { piece, matched } of stretches(text, pattern, invert)) {
      if (held !== "" && !joins(behavior, heldMatched, matched)) {
        yield held;
        held = "";
      }
      if (behavior === "Removed" && matched) continue;
      held += piece;
      heldMatched = matched;
    }
    if (held !== "") yield held;
  };
}

/** Whether a stretch belongs to the piece of the one before it. */
function joins(behavior: Behavior, before: boolean, now: boolean): boolean {
  switch (behavior) {
    case "MergedWithPrevious":
      return now && !before;
    case "MergedWithNext":
      return before && !now;
    case "Contiguous":
      return before === now;
    default:
      return false;
  }
}

/** The text as matches and what lies between them, in order, none of them empty. */
function* stretches(text: string, pattern: RegExp, invert: boolean): Generator<{ piece: string; matched: boolean }> {
  let done = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (index > done) yield { piece: text.slice(done, index), matched: invert };
    if (match !== "") yield { piece: match, matched: !invert };
    done = index + match.length;
  }
  if (done < text.length) yield { piece: text.slice(done), matched: invert };
}

/** Oniguruma's syntax is the library's to translate. */
function regex(pattern: unknown): RegExp {
  const source = isObject(pattern) ? (pattern.Regex ?? pattern.String) : undefined;
  if (!isObject(pattern) || typeof source !== "string" || source === "") {
    throw tokenizerInvalid(`a pattern is neither {"Regex"} nor {"String"}`);
  }
  return libraryPattern(typeof pattern.Regex === "string" ? { Regex: source } : { String: source });
}

/** Cut by the library, the whole text at once. */
function eager(node: JsonObject): Cut {
  const { type, length } = node;
  if (!EAGER.includes(String(type))) throw tokenizerInvalid(`pre-tokenizer ${JSON.stringify(type)} is not supported`);
  if (type === "FixedLength" && !(typeof length === "number" && Number.isInteger(length) && length > 0)) {
    throw tokenizerInvalid(`FixedLength's length is ${JSON.stringify(length)}`);
  }
  return libraryPreTokenizer(node);
}

const EAGER = ["Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Punctuation", "FixedLength"];

function boolean(node: JsonObject, name: string, otherwise: boolean): boolean {
  const value = node[name] ?? otherwise;
  if (typeof value !== "boolean") throw tokenizerInvalid(`${node.type}'s ${name} is neither true nor false`);
  return value;
}

function string(node: JsonObject, name: string, otherwise: string): string {
  const value = node[name] ?? otherwise;
  if (typeof value !== "string" || value === "") throw tokenizerInvalid(`${node.type}'s ${name} is no text`);
  return value;
}
