// How text is cut before merging: the known patterns, and rewriting of tokenizer.json's pre-tokenizers so that the
// JavaScript library cuts exactly where the Rust one does. It knows nothing of vocabularies, merges or ids.

import { isObject, type JsonObject } from "./spec.ts";

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

/**
 * The same cuts, said in terms the library takes literally. Left to itself it differs from Rust `tokenizers` in what
 * `Digits` takes for a digit (ASCII only) and `ByteLevel` for white space (U+FEFF, U+0085), in `Metaspace` (never
 * splits) and in `Split` (knows no merging behaviours).
 */
export function exactPreTokenizer(node: unknown): unknown {
  if (!isObject(node)) return node;
  switch (node.type) {
    case "Sequence":
      return sequence(Array.isArray(node.pretokenizers) ? node.pretokenizers.map(exactPreTokenizer) : []);
    case "Digits":
      return splitOn(node.individual_digits ? "\\p{N}" : "\\p{N}+");
    case "ByteLevel":
      if (node.use_regex === false || node.add_prefix_space) return node;
      return sequence([splitOn(GPT2_PATTERN), BYTE_LEVEL]);
    case "Metaspace":
      if (node.split === false) return node;
      return sequence([node, exactSplit(escaped(String(node.replacement ?? "▁")), "MergedWithNext")]);
    case "Split":
      return isObject(node.pattern) ? rewrittenSplit(node, node.pattern) : node;
    default:
      return node;
  }
}

function sequence(pretokenizers: unknown[]): JsonObject {
  return { type: "Sequence", pretokenizers };
}

function rewrittenSplit(node: JsonObject, pattern: JsonObject): JsonObject {
  const source = typeof pattern.Regex === "string" ? pattern.Regex : escaped(String(pattern.String ?? ""));
  if (node.behavior === "Removed") return node;
  // Which side of the cut is "the match" makes no difference where both sides are kept.
  if (node.behavior === "Isolated") return splitOn(source);
  return node.invert ? node : exactSplit(source, node.behavior);
}

function exactSplit(source: string, behavior: unknown): JsonObject {
  switch (behavior) {
    case "MergedWithPrevious":
      return splitOn(`(?:(?!${source})[\\s\\S])*(?:${source})`);
    case "MergedWithNext":
      return splitOn(`(?:${source})(?:(?!${source})[\\s\\S])*`);
    default:
      return splitOn(`(?:${source})+`);
  }
}

function escaped(literal: string): string {
  return literal.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
