// Answers of `/v1/completions`: whole, or as the chunks of a stream.
// It knows nothing of HTTP.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { DoneEvent, TokenEvent } from "../../proto/api.ts";
import { completionLogprobs } from "./logprobs.ts";
import { type Envelope, extension, finishReason, usageOf } from "./reply.ts";
import type { Finished } from "./run.ts";

/** `n`: sequences for each prompt. */
export function textCompletion(tokenizer: Tokenizer, head: Envelope, finished: readonly Finished[], n: number) {
  const choices = finished.map(({ tokens, text, done }, index) => ({
    index,
    text,
    logprobs: completionLogprobs(tokenizer, tokens, 0),
    finish_reason: finishReason(done),
    ...extension(tokens, done),
  }));
  const usage = usageOf(
    finished.map(({ done }) => done),
    n,
  );
  return { ...head, object: "text_completion", choices, usage };
}

/** The stream of text chunks; every method makes one. */
export class TextChunks {
  readonly #tokenizer: Tokenizer;
  readonly #head: object;
  readonly #n: number;
  /** Length of the text so far, by choice. */
  readonly #lengths: number[] = [];

  constructor(tokenizer: Tokenizer, head: Envelope, includeUsage: boolean, n: number) {
    this.#tokenizer = tokenizer;
    this.#head = { ...head, object: "text_completion", ...(includeUsage ? { usage: null } : {}) };
    this.#n = n;
  }

  open() {
    return undefined;
  }

  /** Undefined where the token shows nothing yet. */
  token(index: number, token: TokenEvent) {
    if (token.text === "" && token.logprob === undefined && token.trace === undefined) return undefined;
    return this.#chunk(index, token.text, null, [token]);
  }

  done(index: number, done: DoneEvent) {
    return [this.#chunk(index, done.text, finishReason(done), [], done)];
  }

  usage(done: readonly DoneEvent[]) {
    return { ...this.#head, choices: [], usage: usageOf(done, this.#n) };
  }

  #chunk(index: number, text: string, reason: string | null, tokens: readonly TokenEvent[] = [], done?: DoneEvent) {
    const offset = this.#lengths[index] ?? 0;
    this.#lengths[index] = offset + text.length;
    const logprobs = completionLogprobs(this.#tokenizer, tokens, offset);
    return { ...this.#head, choices: [{ index, text, logprobs, finish_reason: reason, ...extension(tokens, done) }] };
  }
}
