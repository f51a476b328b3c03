// Times of requests: one alone, and several together.

import type { GenerateRequest, Routing, TokenEvent } from "../../proto/api.ts";

/** As much of an engine as a measurement takes. */
export interface TimedEngine {
  generate(
    request: GenerateRequest,
    options?: { signal?: AbortSignal },
  ): AsyncIterable<TokenEvent | { readonly type: "done" }>;
}

/** Ids that may be special. */
const SPECIAL = 20;
/** Tokens. */
const SHORT_PROMPT = 8;

/** Prompts that share no beginning with an earlier one, so that no prefix cache answers for them. */
export class Prompts {
  readonly #first: number;
  readonly #ids: number;
  #count = 0;

  constructor(vocabSize: number) {
    // The first ids of most vocabularies are special.
    this.#first = vocabSize > 2 * SPECIAL ? SPECIAL : 0;
    this.#ids = Math.min(4000, vocabSize - this.#first);
  }

  next(tokens: number): number[] {
    const salt = this.#count++;
    return Array.from({ length: tokens }, (_, i) => this.#first + ((i * 37 + salt * 101) % this.#ids));
  }
}

/** When each token of a request came, in milliseconds from its start. `onToken` is called at each of them. */
export async function timeRequest(
  engine: TimedEngine,
  request: GenerateRequest,
  { signal, onToken }: { signal?: AbortSignal; onToken?: () => void } = {},
): Promise<number[]> {
  const begun = performance.now();
  const at: number[] = [];
  for await (const event of engine.generate({ ...request, ignoreEos: true }, signal && { signal })) {
    if (event.type !== "token") continue;
    at.push(performance.now() - begun);
    onToken?.();
  }
  return at;
}

/** Milliseconds from each token to the next. */
export function stepsOf(at: readonly number[]): number[] {
  return at.slice(1).map((time, i) => time - at[i]);
}

/** Tokens a second of requests that run together, one a routing. Their prompts are short: prefill is not what is measured. */
export async function decodeTogether(
  engine: TimedEngine,
  routings: readonly Routing[],
  { prompts, tokens, signal }: Together,
): Promise<number> {
  const requests = routings.map((routing) => ({ ids: prompts.next(SHORT_PROMPT), maxTokens: tokens, ...routing }));
  const all = await Promise.all(requests.map((request) => timeRequest(engine, request, signal && { signal })));
  return speedTogether(all);
}

/**
 * Tokens a second from the first token of the last to begin to the end of the first to end, so that all of them are
 * decoding. `all`: when each token of each request came, in milliseconds from one start.
 */
export function speedTogether(all: readonly (readonly number[])[]): number {
  const firsts = all.map((at) => at[0]);
  const lasts = all.map((at) => at[at.length - 1]);
  let [from, to] = [Math.max(...firsts), Math.min(...lasts)];
  // Too few tokens for all to run at once: then whatever there was.
  if (to <= from) [from, to] = [Math.min(...firsts), Math.max(...lasts)];
  const count = all.reduce((sum, at) => sum + at.filter((time) => time > from && time <= to).length, 0);
  return (count / (to - from)) * 1000;
}

export interface Together {
  prompts: Prompts;
  /** Tokens that each of them generates. */
  tokens: number;
  signal?: AbortSignal;
}

/** The upper one of the two in the middle; NaN of none. */
export function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
