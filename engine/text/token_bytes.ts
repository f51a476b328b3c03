// The bytes a token stands for, by the kind of decoder its tokenizer has.
// Bytes become text in detokenizer.ts and tokenizer.ts.

import { isObject, tokenizerInvalid } from "./fields.ts";

export interface TokenBytes {
  /** Bytes of an ordinary token, from its text in the vocabulary. */
  bytes(token: string): Uint8Array;
  /** Bytes of an added token. */
  added(token: string): Uint8Array;
  /** A decoded text loses one leading space: the dummy prefix that SentencePiece encoding put there. */
  trimsLeadingSpace: boolean;
}

/**
 * Reads tokenizer.json's `decoder`.
 *
 * @throws MoloraError `tokenizer_invalid` for a kind that bytes cannot be told for.
 */
export function tokenBytes(decoder: unknown): TokenBytes {
  const parts = flatten(decoder);
  if (parts.some((part) => part.type === "ByteLevel"))
    return { bytes: byteLevelBytes, added: utf8, trimsLeadingSpace: false };
  const replacements: [string, string][] = [];
  let byteFallback = false;
  let trimsLeadingSpace = false;
  for (const part of parts) {
    if (part.type === "ByteFallback") {
      byteFallback = true;
    } else if (part.type === "Replace" && isObject(part.pattern) && typeof part.pattern.String === "string") {
      replacements.push([part.pattern.String, text(part, "content", "")]);
    } else if (part.type === "Metaspace") {
      replacements.push([text(part, "replacement", "▁"), " "]);
      trimsLeadingSpace = part.prepend_scheme !== "never";
    } else if (part.type === "Strip" && part.content === " " && Number(part.start) <= 1 && !part.stop) {
      trimsLeadingSpace = part.start === 1;
    } else if (part.type !== "Fuse") {
      throw unsupported(part.type);
    }
  }
  // Added ones too: Gemma has runs of spaces among them.
  const added = (token: string) => utf8(replacements.reduce((text, [from, to]) => text.replaceAll(from, to), token));
  const bytes = (token: string) => (byteFallback ? fallbackByte(token) : undefined) ?? added(token);
  return { bytes, added, trimsLeadingSpace };
}

function text(part: Record<string, unknown>, name: string, otherwise: string): string {
  const value = part[name] ?? otherwise;
  if (typeof value === "string") return value;
  throw tokenizerInvalid(`decoder "${part.type}" has a ${name} that is no text`);
}

function flatten(decoder: unknown): Record<string, unknown>[] {
  if (!isObject(decoder)) throw unsupported(decoder === null || decoder === undefined ? "none" : typeof decoder);
  if (decoder.type !== "Sequence") return [decoder];
  if (!Array.isArray(decoder.decoders)) throw unsupported("Sequence without decoders");
  return decoder.decoders.flatMap(flatten);
}

function unsupported(kind: unknown) {
  return tokenizerInvalid(`decoder "${kind}" is not supported`, {
    remedy: "Use a model whose tokenizer is byte-level BPE or SentencePiece BPE with byte fallback.",
  });
}

const encoder = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** "<0x0A>" → one byte, as SentencePiece writes characters outside its vocabulary. */
function fallbackByte(token: string): Uint8Array | undefined {
  const digits = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
  return digits === undefined ? undefined : Uint8Array.of(Number.parseInt(digits, 16));
}

/** Byte-level tokens spell each byte as one character; a token with any other character is itself. */
function byteLevelBytes(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = byteOfCharacter.get(character);
    if (byte === undefined) return utf8(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** GPT-2's alphabet by byte: printable Latin-1 bytes are themselves, the others follow from U+0100 in order. */
export const byteSpelling: readonly string[] = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const byteOfCharacter: ReadonlyMap<string, number> = new Map(byteSpelling.map((character, byte) => [character, byte]));
