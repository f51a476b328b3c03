// Merges of a SentencePiece BPE vocabulary that comes with scores instead.

import { mergesOfCuts } from "./cut_merges.ts";
import { tokenizerInvalid } from "./fields.ts";
import type { Merges } from "./merges.ts";
import type { TokenTable } from "./token_table.ts";

/** Longer tokens are damage: every cut of every token is looked at. */
const MAX_TOKEN_LENGTH = 1024;

/**
 * Every pair of tokens that makes a token, best score first; among equal scores the longer left part, then the longer
 * right part. `mergeable(id)` leaves out control and byte tokens. The order is that of transformers'
 * convert_slow_tokenizer.generate_merges. In steps.
 */
export function mergesOfScores(
  vocabulary: TokenTable,
  scores: readonly number[],
  mergeable: (id: number) => boolean,
): Generator<undefined, Merges> {
  const lengths = Uint32Array.from({ length: vocabulary.size }, (_, id) => vocabulary.lengthOf(id));
  const tooLong = lengths.findIndex((length, id) => length > MAX_TOKEN_LENGTH && mergeable(id));
  if (tooLong >= 0) throw tokenizerInvalid(`token ${tooLong} is ${lengths[tooLong]} characters long`);
  return mergesOfCuts(
    vocabulary,
    mergeable,
    ([left, right, both], [otherLeft, otherRight, other]) =>
      scores[other] - scores[both] || lengths[otherLeft] - lengths[left] || lengths[otherRight] - lengths[right],
  );
}
