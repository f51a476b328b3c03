// Merge rules for a SentencePiece BPE vocabulary that comes with scores instead.

import { tokenizerInvalid } from "./spec.ts";

/** Longer tokens are damage: every cut of every token is looked at. */
const MAX_TOKEN_LENGTH = 1024;

interface Merge {
  pair: [string, string];
  score: number;
}

/**
 * Every pair of tokens that makes a token, best score first; among equal scores the longer left part, then the longer
 * right part. `scores[id]` belongs to `tokens[id]`; `mergeable(id)` leaves out control and byte tokens. The order is
 * that of transformers' convert_slow_tokenizer.generate_merges.
 */
export function mergesFromScores(
  tokens: readonly string[],
  scores: readonly number[],
  mergeable: (id: number) => boolean,
): [string, string][] {
  const known = new Set(tokens.filter((_, id) => mergeable(id)));
  const merges: Merge[] = [];
  for (const [id, token] of tokens.entries()) {
    if (!mergeable(id)) continue;
    if (token.length > MAX_TOKEN_LENGTH) throw tokenizerInvalid(`token ${id} is ${token.length} characters long`);
    for (let cut = 1; cut < token.length; cut++) {
      const pair: [string, string] = [token.slice(0, cut), token.slice(cut)];
      if (known.has(pair[0]) && known.has(pair[1])) merges.push({ pair, score: scores[id] });
    }
  }
  merges.sort(
    (a, b) => b.score - a.score || b.pair[0].length - a.pair[0].length || b.pair[1].length - a.pair[1].length,
  );
  return merges.map((merge) => merge.pair);
}
