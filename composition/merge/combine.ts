// Several lists of values become one, entry by entry: sums, and sums of those that agree in sign.
// Whether the lists are factors or whole deltas is the caller's.

import { type CombinedTask, combined } from "../kernels/combined.ts";
import { keepMasked, keptCount, largest } from "./prune.ts";

export const COMBINATIONS = ["linear", "ties", "dare_linear", "dare_ties", "magnitude_prune"] as const;
export type Combination = (typeof COMBINATIONS)[number];

/** Which of two signs wins an entry: that of the sum, or that which more of the values have. */
export type MajoritySign = "total" | "frequency";

/** One byte an entry: 1 keeps it. `task` numbers the list. */
export type Masks = (task: number, count: number, density: number) => Uint8Array;

export interface CombineOptions {
  /** Share of entries that is kept, 0 to 1. At 1 and above nothing is pruned, as in PEFT. */
  density: number;
  majoritySign: MajoritySign;
  masks: Masks;
}

export type Task = Float64Array;

/**
 * PEFT's operators (0.21, utils/merge_utils.py): lists are pruned, signs are elected on what is left before weighting, and
 * agreeing entries are summed with their weights and divided by their number.
 */
export function combine(
  kind: Combination,
  tasks: readonly Task[],
  weights: readonly number[],
  options: CombineOptions,
): Task {
  const elects = electing(kind);
  const pruned = sparsified(kind, tasks, options).map((task, t) => ({
    ...task,
    before: 1,
    after: weights[t],
    share: 1,
  }));
  return combined(pruned, { elect: elects ? options.majoritySign : "none", divide: elects, factor: 1 });
}

export interface MergekitOptions extends CombineOptions {
  /** Divide each entry by the weights that went into it. */
  normalize: boolean;
  /** Factor of the result. */
  lambda: number;
}

/** mergekit's operators (generalized_task_arithmetic.py): signs are elected on weighted values, sums divided by weights. */
export function combineWeighted(
  kind: Combination,
  tasks: readonly Task[],
  weights: readonly number[],
  options: MergekitOptions,
): Task {
  const { majoritySign, normalize, lambda } = options;
  const elects = electing(kind);
  const weighted = sparsified(kind, tasks, options).map((task, t) => ({
    ...task,
    before: weights[t],
    after: 1,
    share: weights[t],
  }));
  // Without an election the divisor is that of all weights, also where some values were dropped.
  return combined(weighted, { elect: elects ? majoritySign : "none", divide: normalize, factor: lambda });
}

function electing(kind: Combination): boolean {
  return kind === "ties" || kind === "dare_ties";
}

type Sparse = Pick<CombinedTask, "values" | "limit">;

function sparsified(kind: Combination, tasks: readonly Task[], { density, masks }: CombineOptions): Sparse[] {
  if (kind === "linear" || density >= 1) return tasks.map((values) => ({ values, limit: 0 }));
  if (kind === "ties" || kind === "magnitude_prune") {
    return tasks.map((task) => largest(task, keptCount(density, task.length)));
  }
  return tasks.map((task, t) => ({
    values: keepMasked(task, masks(t, task.length, density), 1 / density),
    limit: 0,
  }));
}
