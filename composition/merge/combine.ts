// Several lists of values become one, entry by entry: sums, and sums of those that agree in sign.
// Whether the lists are factors or whole deltas is the caller's.

import { type CombinedTask, type Combining, Lists } from "../kernels/combined.ts";
import type { Entries } from "../kernels/entries.ts";
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

/**
 * PEFT's operators (0.21, utils/merge_utils.py): lists are pruned, signs are elected on what is left before weighting, and
 * agreeing entries are summed with their weights and divided by their number.
 */
export function combine(
  kind: Combination,
  tasks: readonly Entries[],
  weights: readonly number[],
  options: CombineOptions,
): Float64Array {
  const elects = electing(kind);
  const combining: Combining = { elect: elects ? options.majoritySign : "none", divide: elects, factor: 1 };
  return sparselyCombined(kind, tasks, options, combining, (t) => ({ before: 1, after: weights[t], share: 1 }));
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
  tasks: readonly Entries[],
  weights: readonly number[],
  options: MergekitOptions,
): Float64Array {
  const { majoritySign, normalize, lambda } = options;
  // Without an election the divisor is that of all weights, also where some values were dropped.
  const combining: Combining = {
    elect: electing(kind) ? majoritySign : "none",
    divide: normalize,
    factor: lambda,
  };
  const roleOf = (t: number) => ({ before: weights[t], after: 1, share: weights[t] });
  return sparselyCombined(kind, tasks, options, combining, roleOf);
}

function electing(kind: Combination): boolean {
  return kind === "ties" || kind === "dare_ties";
}

type Role = Pick<CombinedTask, "before" | "after" | "share">;

function sparselyCombined(
  kind: Combination,
  tasks: readonly Entries[],
  options: CombineOptions,
  combining: Combining,
  roleOf: (task: number) => Role,
): Float64Array {
  const lists = new Lists(tasks);
  try {
    const sparse = tasks.map((_, t) => ({ ...sparsified(kind, lists, t, options), ...roleOf(t) }));
    return lists.combined(sparse, combining);
  } finally {
    lists.close();
  }
}

function sparsified(
  kind: Combination,
  lists: Lists,
  task: number,
  { density, masks }: CombineOptions,
): Pick<CombinedTask, "limit" | "edit"> {
  if (kind === "linear" || density >= 1) return { limit: 0 };
  if (kind === "ties" || kind === "magnitude_prune") return largest(lists, task, keptCount(density, lists.length));
  const mask = masks(task, lists.length, density);
  return { limit: 0, edit: (band, first) => keepMasked(band, mask.subarray(first), 1 / density) };
}
