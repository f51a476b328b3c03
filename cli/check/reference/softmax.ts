// Softmax and its logarithm in float64.

import type { Numbers } from "./linear.ts";

/** log(Σ exp(x)); -Infinity for a row of nothing but -Infinity. */
export function logSumExp(logits: Numbers): number {
  let best = -Infinity;
  for (const value of logits) best = Math.max(best, value);
  if (best === -Infinity) return best;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - best);
  return best + Math.log(sum);
}

/** One row, natural logarithm. */
export function logSoftmax(logits: Numbers): Float64Array {
  const total = logSumExp(logits);
  return Float64Array.from(logits, (value) => value - total);
}

/** One row; sums to 1. */
export function softmax(logits: Numbers): Float64Array {
  return logSoftmax(logits).map(Math.exp);
}
