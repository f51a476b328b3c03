// Finds where in a text each of its tokens lies, in bytes, for tokenizers that give no offsets.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import { MoloraError } from "../../proto/errors.ts";

/** Bytes [start, end) of the text's UTF-8. Empty for tokens that the tokenizer put around the text. */
export interface ByteSpan {
  start: number;
  end: number;
}

const SPACE = 0x20;

/**
 * One span for each of `ids`, the encoding of `text`. Spans follow each other without gaps.
 *
 * @throws MoloraError `data_invalid`, naming `where`, when the tokens do not spell the text: the tokenizer changed it, or
 * had no token for a part of it.
 */
export function alignTokens(tokenizer: Tokenizer, ids: readonly number[], text: string, where: string): ByteSpan[] {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const spans = ids.map((id): ByteSpan => {
    const start = at;
    at += spelled(tokenizer, id, bytes, at) ?? fail(tokenizer, id, bytes, at, where);
    return { start, end: at };
  });
  if (at < bytes.length) fail(tokenizer, ids.at(-1), bytes, at, where);
  return spans;
}

/** How many bytes at `at` the token spells; undefined where it spells others. */
function spelled(tokenizer: Tokenizer, id: number, bytes: Uint8Array, at: number): number | undefined {
  const token = tokenizer.idBytes(id);
  if (startsWith(bytes, at, token)) return token.length;
  // SentencePiece adds a space before a text and after a special token, which the text does not have
  const bare = token.subarray(1);
  if (token[0] === SPACE && startsWith(bytes, at, bare)) return bare.length;
  // BOS and EOS stand around a text and spell nothing
  return tokenizer.specialIds.has(id) ? 0 : undefined;
}

function startsWith(bytes: Uint8Array, at: number, token: Uint8Array): boolean {
  return token.every((byte, i) => bytes[at + i] === byte);
}

function fail(tokenizer: Tokenizer, id: number | undefined, bytes: Uint8Array, at: number, where: string): never {
  const near = new TextDecoder().decode(bytes.subarray(at, at + 24));
  const token = id === undefined ? "no token" : JSON.stringify(tokenizer.tokenText(id));
  throw new MoloraError("data_invalid", `${where}: the tokenizer writes ${JSON.stringify(near)} as ${token}`, {
    remedy: "Replace the characters it has no tokens for, or normalise the text (NFC).",
    details: { byte: at },
  });
}
