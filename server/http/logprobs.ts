// Log-probabilities in the two shapes OpenAI has for them.

import { Detokenizer } from "../../engine/text/detokenizer.ts";
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
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  text_offset: number[];
}

export function chatLogprobs(tokenizer: Tokenizer, tokens: readonly TokenEvent[]): ChatLogprobs | null {
  const content = logprobsOf(tokens).map((logprob) => ({
    ...named(tokenizer, logprob),
    top_logprobs: logprob.top.map((alternative) => named(tokenizer, alternative)),
  }));
  return content.length === 0 ? null : { content, refusal: null };
}

/** A token in the legacy shape: its logprob is null where it is the first of a prompt. */
interface LegacyToken {
  token: string;
  /** What becomes readable with it. */
  text: string;
  logprob: TokenLogprob | null;
}

/** `offset`: length of the text before the first of these tokens. Null where no log-probabilities were asked for. */
export function completionLogprobs(
  tokenizer: Tokenizer,
  tokens: readonly TokenEvent[],
  offset: number,
): CompletionLogprobs | null {
  const legacy = tokens.flatMap(({ text, logprob }) =>
    logprob === undefined ? [] : [{ token: legacyName(tokenizer, logprob.id), text, logprob }],
  );
  return legacy.length === 0 ? null : legacyLogprobs(tokenizer, legacy, offset);
}

/** Those of an echoed prompt, then those of its completion. `scored`: of every token of the prompt but the first. */
export function echoLogprobs(
  tokenizer: Tokenizer,
  prompt: string,
  scored: readonly TokenLogprob[],
  tokens: readonly TokenEvent[],
): CompletionLogprobs {
  const rest = tokenizer.decode(
    scored.map(({ id }) => id),
    { continuation: true },
  );
  // What the others leave of the text; a first token that is not of the text (BOS) leaves nothing.
  const first = prompt.endsWith(rest) ? prompt.slice(0, prompt.length - rest.length) : "";
  const readable = new Detokenizer(tokenizer, { stop: [] });
  const echoed = scored.map((logprob) => ({
    token: legacyName(tokenizer, logprob.id),
    text: readable.push(logprob.id).text,
    logprob,
  }));
  const generated = tokens.flatMap(({ text, logprob }) =>
    logprob === undefined ? [] : [{ token: legacyName(tokenizer, logprob.id), text, logprob }],
  );
  const all = [{ token: first, text: first, logprob: null }, ...echoed, ...generated];
  return legacyLogprobs(tokenizer, all, 0);
}

function legacyLogprobs(tokenizer: Tokenizer, tokens: readonly LegacyToken[], offset: number): CompletionLogprobs {
  let at = offset;
  const offsets = tokens.map(({ text }) => {
    const start = at;
    at += text.length;
    return start;
  });
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob?.logprob ?? null),
    // The token itself is always among them, so that there may be one more than asked for.
    top_logprobs: tokens.map(({ logprob }) => {
      if (logprob === null) return null;
      const named = [...logprob.top, logprob].map(({ id, logprob }) => [legacyName(tokenizer, id), logprob] as const);
      return Object.fromEntries(named);
    }),
    text_offset: offsets,
  };
}

/** Where a token is no whole characters, OpenAI spells its bytes; two such tokens would have one name otherwise. */
function legacyName(tokenizer: Tokenizer, id: number): string {
  const text = tokenText(tokenizer, id);
  if (!text.includes("\ufffd")) return text;
  const bytes = [...tokenizer.idBytes(id)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
  return `bytes:${bytes.join("")}`;
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
