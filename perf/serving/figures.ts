// What a played load comes to: throughput, waits for the first token, times between tokens, the share served in time.

import type { Played } from "./player.ts";

/** S-LoRA's limit for the first token, in seconds (section 7.1). */
export const SLO_SECONDS = 6;

export interface Figures {
  requests: number;
  failed: number;
  /** From the first asking to the last token. */
  seconds: number;
  tokensPerSecond: number;
  requestsPerSecond: number;
  firstTokenMs: Spread;
  interTokenMs: Spread;
  /** Share of the requests whose first token came within SLO_SECONDS. */
  sloAttainment: number;
  adapters: number;
}

export interface Spread {
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

export function figuresOf(played: readonly Played[]): Figures {
  const good = played.filter(({ failure }) => failure === undefined);
  const seconds =
    (Math.max(...played.map(({ ended }) => ended)) - Math.min(...played.map(({ asked }) => asked))) / 1000;
  const tokens = good.reduce((sum, one) => sum + one.tokens.length, 0);
  const first = good.map(firstTokenMs);
  const gaps = good.flatMap(({ tokens: times }) => times.slice(1).map((time, i) => time - times[i]));
  return {
    requests: played.length,
    failed: played.length - good.length,
    seconds,
    tokensPerSecond: tokens / seconds,
    requestsPerSecond: good.length / seconds,
    firstTokenMs: spreadOf(first),
    interTokenMs: spreadOf(gaps),
    sloAttainment: first.filter((ms) => ms <= 1000 * SLO_SECONDS).length / played.length,
    adapters: new Set(played.map(({ arrival }) => arrival.adapter)).size,
  };
}

export function firstTokenMs({ asked, tokens }: Played): number {
  return tokens[0] - asked;
}

/** NaNs of nothing. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: at(sorted, 0.5), p90: at(sorted, 0.9), p99: at(sorted, 0.99), max: at(sorted, 1) };
}

/** The smallest of sorted values that so large a share does not exceed. */
function at(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
