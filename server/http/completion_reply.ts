// Answers of `/v1/completions`: whole, or as the chunks of a stream.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { DoneEvent, GenerateRequest, TokenEvent } from "../../proto/api.ts";
import type { CompletionRequest } from "./completion_request.ts";
import { completionLogprobs, echoLogprobs } from "./logprobs.ts";
import { type Envelope, extension, finishReason, usageOf } from "./reply.ts";
import type { Finished } from "./run.ts";

/** `finished`: `bestOf` for each prompt, one prompt after the other. */
export function textCompletion(
  tokenizer: Tokenizer,
  head: Envelope,
  completion: CompletionRequest,
  finished: readonly Finished[],
) {
  const { requests, bestOf, n } = completion;
  const answered = requests.flatMap((request, i) => {
    const all = finished.slice(i * bestOf, (i + 1) * bestOf);
    return (bestOf > n ? likeliest(all, n) : all).map((each) => ({ ...each, prompt: promptText(tokenizer, request) }));
  });
  const choices = answered.map(({ tokens, text, done, prompt }, index) => ({
    index,
    text: completion.echo ? prompt + text : text,
    logprobs: logprobsOf(tokenizer, completion, prompt, tokens, done),
    finish_reason: finishReason(done),
    ...extension(tokens, done),
  }));
  const usage = usageOf(
    finished.map(({ done }) => done),
    bestOf,
  );
  return { ...head, object: "text_completion", choices, usage };
}

function logprobsOf(
  tokenizer: Tokenizer,
  { echo, logprobs }: CompletionRequest,
  prompt: string,
  tokens: readonly TokenEvent[],
  { promptLogprobs = [] }: DoneEvent,
) {
  if (!logprobs) return null;
  if (echo) return echoLogprobs(tokenizer, prompt, promptLogprobs, tokens);
  return completionLogprobs(tokenizer, tokens, 0);
}

/** The `n` with the highest log-probability a token, as OpenAI ranks them; equal ones keep their order. */
function likeliest(finished: readonly Finished[], n: number): Finished[] {
  const score = ({ tokens }: Finished) =>
    tokens.reduce((sum, { logprob }) => sum + (logprob?.logprob ?? 0), 0) / Math.max(1, tokens.length);
  return [...finished].sort((a, b) => score(b) - score(a)).slice(0, n);
}

/** A prompt as an echo repeats it. */
function promptText(tokenizer: Tokenizer, { prompt, ids = [] }: GenerateRequest): string {
  return prompt ?? tokenizer.decode(ids);
}

/** The stream of text chunks; every method makes one. */
export class TextChunks {
  readonly #tokenizer: Tokenizer;
  readonly #completion: CompletionRequest;
  readonly #head: object;
  /** Length of the text so far, by choice. */
  readonly #lengths: number[] = [];
  /** Tokens kept back, by choice: the log-probabilities of an echoed prompt come last, and are told first. */
  readonly #held: TokenEvent[][] = [];

  constructor(tokenizer: Tokenizer, head: Envelope, completion: CompletionRequest) {
    this.#tokenizer = tokenizer;
    this.#completion = completion;
    this.#head = { ...head, object: "text_completion", ...(completion.includeUsage ? { usage: null } : {}) };
  }

  open(index: number) {
    const { echo, logprobs, requests, n } = this.#completion;
    if (!echo || logprobs) return undefined;
    return this.#chunk(index, promptText(this.#tokenizer, requests[Math.floor(index / n)]), null);
  }

  /** Undefined where the token shows nothing yet. */
  token(index: number, token: TokenEvent) {
    const { echo, logprobs } = this.#completion;
    if (echo && logprobs) {
      this.#held[index] ??= [];
      this.#held[index].push(token);
      return undefined;
    }
    if (token.text === "" && token.logprob === undefined && token.trace === undefined) return undefined;
    return this.#chunk(index, token.text, null, [token]);
  }

  done(index: number, done: DoneEvent) {
    const { echo, logprobs } = this.#completion;
    const last = this.#chunk(index, done.text, finishReason(done), [], done);
    return echo && logprobs ? [this.#echoed(index, done), last] : [last];
  }

  usage(done: readonly DoneEvent[]) {
    return { ...this.#head, choices: [], usage: usageOf(done, this.#completion.n) };
  }

  /** Prompt and text so far, with the log-probabilities of both. */
  #echoed(index: number, { promptLogprobs = [] }: DoneEvent) {
    const { requests, n } = this.#completion;
    const prompt = promptText(this.#tokenizer, requests[Math.floor(index / n)]);
    const tokens = this.#held[index] ?? [];
    const text = tokens.reduce((all, token) => all + token.text, prompt);
    const logprobs = echoLogprobs(this.#tokenizer, prompt, promptLogprobs, tokens);
    return { ...this.#head, choices: [{ index, text, logprobs, finish_reason: null, ...extension(tokens) }] };
  }

  #chunk(index: number, text: string, reason: string | null, tokens: readonly TokenEvent[] = [], done?: DoneEvent) {
    const offset = this.#lengths[index] ?? 0;
    this.#lengths[index] = offset + text.length;
    const logprobs = completionLogprobs(this.#tokenizer, tokens, offset);
    return { ...this.#head, choices: [{ index, text, logprobs, finish_reason: reason, ...extension(tokens, done) }] };
  }
}
