// Means over tokens, with intervals from resampling whole texts.

import { Random } from "../random.ts";

/** A text's share of a mean: a sum, and the number of tokens that it is over. */
export interface Share {
  sum: number;
  tokens: number;
}

export interface Interval {
  value: number;
  /** Percentiles 2.5 and 97.5 of the resampled values. */
  low: number;
  high: number;
}

const RESAMPLES = 1000;

/** `statistic` of the whole, and its 95 % percentile interval over texts drawn with replacement (Efron 1979). */
export function bootstrap(texts: number, statistic: (drawn: readonly number[]) => number, seed: number): Interval {
  const random = new Random(seed, texts);
  const all = Array.from({ length: texts }, (_, i) => i);
  const values = Float64Array.from({ length: RESAMPLES }, () =>
    statistic(all.map(() => random.integer(0, texts - 1))),
  ).sort();
  return { value: statistic(all), low: at(values, 0.025), high: at(values, 0.975) };
}

/** Mean over all tokens of the drawn texts. */
export function pooledMean(shares: readonly Share[], drawn: readonly number[]): number {
  let sum = 0;
  let tokens = 0;
  for (const i of drawn) {
    sum += shares[i].sum;
    tokens += shares[i].tokens;
  }
  return sum / Math.max(1, tokens);
}

function at(sorted: Float64Array, quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))];
}
