// Cross-entropy of a router's beliefs (or choices without memory) to given targets, in float64.

import { beliefFilter } from "./belief_filter.ts";
import type { Numbers } from "./linear.ts";
import { logSumExp } from "./softmax.ts";

/** −Σ y log p over one sequence; p: the belief filter of z [T, E + 1], or softmax of z [T, E]. targets: [T, E]. */
export function labelLoss(z: Numbers, targets: Numbers, experts: number, belief: boolean): number {
  const logs = belief ? beliefFilter(z, experts) : logSoftmaxRows(z, experts);
  return -logs.reduce((sum, value, i) => sum + value * targets[i], 0);
}

export function logSoftmaxRows(z: Numbers, width: number): Float64Array {
  const logs = Float64Array.from(z);
  for (let row = 0; row < logs.length; row += width) {
    const normaliser = logSumExp(logs.subarray(row, row + width));
    for (let e = 0; e < width; e++) logs[row + e] -= normaliser;
  }
  return logs;
}
