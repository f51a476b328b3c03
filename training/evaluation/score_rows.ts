// The loss of given token ids under given uses of the engine, many at once in its one batch.
// The rendered rows say which tokens count, and for which domain.

import type { GenerateOptions, GenerateRequest, GenerationEvent, Routing, TokenLogprob } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { RenderedRow } from "../data/render.ts";

/** The part of an engine that scoring needs. */
export interface ScoringEngine {
  generate(request: GenerateRequest, options?: GenerateOptions): AsyncIterable<GenerationEvent>;
}

/** The loss of the tokens that count, and the bytes of text that they spell. */
export interface Loss {
  tokens: number;
  /** Sum of −ln p. */
  nll: number;
  /** UTF-8 length of that text. */
  bytes: number;
}

export interface ScoreOptions {
  /** Alternatives to report for every token, at most MAX_LOGPROBS (proto/contract.ts). Default 0. */
  top?: number;
  signal?: AbortSignal;
}

export interface ScoreJob {
  row: RenderedRow;
  routing: Routing;
}

/** Enough requests to fill every step of the batch; the rest waits here instead of in the engine's queue. */
const AT_ONCE = 64;

/**
 * Log-probabilities of all jobs' tokens, in their order: [i][t] is that of `jobs[i].row.ids[t + 1]`.
 *
 * `onScored` is called as each job ends, in any order.
 *
 * @throws MoloraError what the engine throws; `cancelled` when the signal is aborted. The other jobs are cancelled.
 */
export async function scoreAll(
  engine: ScoringEngine,
  jobs: readonly ScoreJob[],
  options: ScoreOptions = {},
  onScored: (job: ScoreJob) => void = () => {},
): Promise<TokenLogprob[][]> {
  const results: TokenLogprob[][] = [];
  const open = new Set<AbortController>();
  const cancelAll = () => {
    for (const controller of open) controller.abort();
  };
  options.signal?.addEventListener("abort", cancelAll);
  const waiting = jobs.entries();
  let failure: MoloraError | undefined;
  const work = async () => {
    for (const [i, job] of waiting) {
      // After a failure or an interruption nothing more is started
      if (failure !== undefined || options.signal?.aborted) return;
      const controller = new AbortController();
      open.add(controller);
      results[i] = await scoreOne(engine, job, options.top ?? 0, controller.signal);
      open.delete(controller);
      onScored(job);
    }
  };
  const guarded = () =>
    work().catch((error) => {
      // Cancelling the others makes them fail too, so only the first reason is kept
      failure ??= MoloraError.from(error);
      cancelAll();
    });
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, jobs.length) }, guarded));
  options.signal?.removeEventListener("abort", cancelAll);
  if (failure !== undefined) throw failure;
  if (options.signal?.aborted) throw interrupted();
  return results;
}

async function scoreOne(
  engine: ScoringEngine,
  { row, routing }: ScoreJob,
  top: number,
  signal: AbortSignal,
): Promise<TokenLogprob[]> {
  const request: GenerateRequest = { ...routing, ids: row.ids, maxTokens: 0, promptLogprobs: top };
  for await (const event of engine.generate(request, { signal })) {
    if (event.type !== "done") continue;
    if (event.finishReason === "cancelled") throw interrupted();
    return event.promptLogprobs ?? [];
  }
  throw new MoloraError("internal", "a generation ended without its last event");
}

function interrupted(): MoloraError {
  return new MoloraError("cancelled", "scoring was interrupted");
}

/** Loss of a whole row. */
export function rowLoss(row: RenderedRow, logprobs: readonly TokenLogprob[]): Loss {
  return sum(row, logprobs, () => true);
}

/** Loss of a row's tokens by the domain of their text; undefined stands for text without one. */
export function lossByDomain(row: RenderedRow, logprobs: readonly TokenLogprob[]): Map<string | undefined, Loss> {
  const domains = new Set(row.domains.filter((_, t) => row.counted[t]));
  return new Map([...domains].map((domain) => [domain, sum(row, logprobs, (t) => row.domains[t] === domain)]));
}

function sum(row: RenderedRow, logprobs: readonly TokenLogprob[], belongs: (t: number) => boolean): Loss {
  const loss: Loss = { tokens: 0, nll: 0, bytes: 0 };
  for (const t of row.ids.keys()) {
    if (!belongs(t)) continue;
    loss.bytes += row.tokenBytes[t];
    if (!row.counted[t]) continue;
    loss.tokens += 1;
    loss.nll -= logprobs[t - 1].logprob;
  }
  return loss;
}

/** Adds `loss` to `total`. */
export function addLoss(total: Loss, loss: Loss): void {
  total.tokens += loss.tokens;
  total.nll += loss.nll;
  total.bytes += loss.bytes;
}

/** Loss per byte of text, which is comparable between tokenizers; 0 where there is no text. */
export function bitsPerByte({ nll, bytes }: Loss): number {
  return bytes === 0 ? 0 : nll / Math.LN2 / bytes;
}
