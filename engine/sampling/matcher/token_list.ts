// A tokenizer's tokens as bytes, in one piece that travels between threads.

import type { Tokenizer } from "../../text/tokenizer.ts";
import type { TokenList } from "./vocabulary.ts";

/** `vocabSize`: rows of the model's logits; `room`: ids of a mask. Special tokens stand for no text. */
export function tokenList(tokenizer: Tokenizer, vocabSize: number, room = vocabSize): TokenList {
  const count = Math.min(tokenizer.vocabSize, vocabSize);
  const tokens = Array.from({ length: count }, (_, id) =>
    tokenizer.specialIds.has(id) ? new Uint8Array() : tokenizer.idBytes(id),
  );
  const offsets = new Uint32Array(count + 1);
  for (const [id, token] of tokens.entries()) offsets[id + 1] = offsets[id] + token.length;
  const bytes = new Uint8Array(offsets[count]);
  for (const [id, token] of tokens.entries()) bytes.set(token, offsets[id]);
  return { bytes, offsets, vocabSize: room };
}
