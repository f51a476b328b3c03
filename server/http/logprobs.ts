// Log-probabilities in the two shapes OpenAI has for them.
// It knows nothing of how they were computed.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { TokenEvent, TokenLogprob } from "../../proto/api.ts";

interface NamedLogprob {
  token: string;
  logprob: number;
  /** UTF-8; a token may hold a part of a character only. */
  bytes: number[];
}

export interface ChatLogprobs {
  content: (NamedLogprob & { top_logprobs: NamedLogprob[] })[];
  refusal: null;
}

export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  text_offset: number[];
}

export function chatLogprobs(tokenizer: Tokenizer, tokens: readonly TokenEvent[]): ChatLogprobs | null {
  const content = logprobsOf(tokens).map((logprob) => ({
    ...named(tokenizer, logprob),
    top_logprobs: logprob.top.map((alternative) => named(tokenizer, alternative)),
  }));
  return content.length === 0 ? null : { content, refusal: null };
}

/** `offset`: length of the text before the first of these tokens. */
export function completionLogprobs(
  tokenizer: Tokenizer,
  tokens: readonly TokenEvent[],
  offset: number,
): CompletionLogprobs | null {
  const logprobs = logprobsOf(tokens);
  if (logprobs.length === 0) return null;
  let at = offset;
  const offsets = tokens.map(({ text }) => {
    const start = at;
    at += text.length;
    return start;
  });
  return {
    tokens: logprobs.map(({ id }) => tokenText(tokenizer, id)),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.map(({ id, logprob }) => [tokenText(tokenizer, id), logprob])),
    ),
    text_offset: offsets,
  };
}

function logprobsOf(tokens: readonly TokenEvent[]): TokenLogprob[] {
  return tokens.flatMap(({ logprob }) => (logprob === undefined ? [] : [logprob]));
}

function named(tokenizer: Tokenizer, { id, logprob }: { id: number; logprob: number }): NamedLogprob {
  return { token: tokenText(tokenizer, id), logprob, bytes: [...tokenizer.idBytes(id)] };
}

function tokenText(tokenizer: Tokenizer, id: number): string {
  return tokenizer.decode([id], { continuation: true });
}
