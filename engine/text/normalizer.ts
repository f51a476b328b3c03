// What is done to a text before it is cut: tokenizer.json's normalizers, checked here and run by the library.

import { Charsmap } from "./charsmap.ts";
import { isObject, type JsonObject, tokenizerInvalid } from "./fields.ts";
import { libraryNormalizer } from "./library.ts";
import { replaceLiteral } from "./replace_literal.ts";

export interface Normalizer {
  normalize(text: string): string;
  /** How many times shorter, in UTF-16 units, a text can become at most; Infinity where it can vanish. */
  shrinks: number;
}

/** Composing makes one character of at most four (U+1F82); decomposing replaces a pair of surrogates by one unit. */
const COMPOSED = 4;
const DECOMPOSED = 2;
const VANISHES = Number.POSITIVE_INFINITY;

/** @throws MoloraError `tokenizer_invalid` for a kind that is unknown, or a field that is not what it must be. */
export function normalizer(node: unknown): Normalizer | undefined {
  const steps = flatten(node).map(compile);
  if (steps.length === 0) return undefined;
  return {
    normalize: (text) => steps.reduce((done, step) => step.normalize(done), text),
    shrinks: steps.reduce((factor, { shrinks }) => factor * shrinks, 1),
  };
}

function flatten(node: unknown): JsonObject[] {
  if (node === null || node === undefined) return [];
  if (!isObject(node)) throw tokenizerInvalid("a normalizer is no object");
  if (node.type !== "Sequence") return [node];
  if (!Array.isArray(node.normalizers)) throw tokenizerInvalid("a Sequence has no list of normalizers");
  return node.normalizers.flatMap(flatten);
}

function compile(node: JsonObject): Normalizer {
  switch (node.type) {
    case "NFC":
    case "NFKC":
      return library({ type: node.type }, COMPOSED);
    case "NFD":
    case "NFKD":
      return library({ type: node.type }, DECOMPOSED);
    case "Lowercase":
      return library({ type: node.type }, 1);
    case "StripAccents":
      return library({ type: node.type }, VANISHES);
    case "Strip":
      return strip(flagged(node, ["strip_left", "strip_right"]));
    case "BertNormalizer":
      return library(flagged(node, ["clean_text", "handle_chinese_chars", "lowercase", "strip_accents"]), VANISHES);
    case "Prepend": {
      const prepend = text(node, "prepend");
      return { normalize: (given) => prepend + given, shrinks: 1 };
    }
    case "Replace":
      return replace(node);
    case "Precompiled":
      return precompiled(node.precompiled_charsmap);
    default:
      throw tokenizerInvalid(`normalizer ${JSON.stringify(node.type)} is not supported`);
  }
}

/** White space is Unicode's: JavaScript's own trimming takes U+FEFF for one, and U+0085 for none. */
function strip({ strip_left: left, strip_right: right }: JsonObject): Normalizer {
  return {
    normalize(text) {
      let [from, to] = [0, text.length];
      if (left) while (from < to && WHITE_SPACE.test(text[from]!)) from++;
      if (right) while (to > from && WHITE_SPACE.test(text[to - 1]!)) to--;
      return text.slice(from, to);
    },
    shrinks: VANISHES,
  };
}

const WHITE_SPACE = /\p{White_Space}/u;

function library(node: JsonObject, shrinks: number): Normalizer {
  return { normalize: libraryNormalizer(node), shrinks };
}

/** `charsmap`: base64 in a tokenizer.json, bytes from a GGUF, whose makers read them differently. Null changes nothing. */
function precompiled(charsmap: unknown): Normalizer {
  if (charsmap === null || charsmap === "") return { normalize: (text) => text, shrinks: 1 };
  if (charsmap instanceof Uint8Array) {
    const map = new Charsmap(charsmap);
    return { normalize: (text) => map.normalize(text), shrinks: VANISHES };
  }
  const bytes = base64(charsmap);
  if (bytes === undefined) throw tokenizerInvalid("Precompiled's precompiled_charsmap is no base64");
  const map = new Charsmap(bytes);
  return { normalize: (text) => map.normalizeGraphemes(text), shrinks: VANISHES };
}

function base64(text: unknown): Uint8Array | undefined {
  if (typeof text !== "string" || !/^[A-Za-z\d+/]+={0,2}$/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function replace(node: JsonObject): Normalizer {
  const content = text(node, "content");
  const { pattern } = node;
  if (!isObject(pattern)) throw tokenizerInvalid("Replace has no pattern");
  if (typeof pattern.String === "string" && pattern.String !== "") {
    const literal = pattern.String;
    const shrinks = Math.max(1, content === "" ? VANISHES : literal.length / content.length);
    return { normalize: (text) => replaceLiteral(text, literal, content), shrinks };
  }
  if (typeof pattern.Regex !== "string") throw tokenizerInvalid(`a pattern is neither {"Regex"} nor {"String"}`);
  return library({ type: "Replace", pattern: { Regex: pattern.Regex }, content }, VANISHES);
}

function text(node: JsonObject, name: string): string {
  const value = node[name];
  if (typeof value === "string") return value;
  throw tokenizerInvalid(`${node.type}'s ${name} is no text`);
}

function flagged(node: JsonObject, names: readonly string[]): JsonObject {
  for (const name of names) {
    if (typeof (node[name] ?? false) === "boolean") continue;
    throw tokenizerInvalid(`${node.type}'s ${name} is neither true nor false`);
  }
  return node;
}
