// Several lists of values become one, entry by entry: sums, and sums of those that agree in sign.
// Whether the lists are factors or whole deltas is the caller's.

import { keepLargest, keepMasked, keptCount } from "./prune.ts";

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
  const pruned = sparsified(kind, tasks, options);
  if (kind !== "ties" && kind !== "dare_ties") return weightedSum(pruned, weights);
  const sign = electedSigns(pruned, options.majoritySign);
  const sum = new Float64Array(sign.length);
  const agreeing = new Uint32Array(sign.length);
  for (const [t, task] of pruned.entries()) {
    const weight = weights[t];
    for (let i = 0; i < sum.length; i++) {
      const value = task[i];
      if (!(value * sign[i] > 0)) continue;
      sum[i] += value * weight;
      agreeing[i]++;
    }
  }
  for (let i = 0; i < sum.length; i++) if (agreeing[i] > 1) sum[i] /= agreeing[i];
  return sum;
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
  const weighted = sparsified(kind, tasks, options).map((task, t) => task.map((value) => value * weights[t]));
  const elects = kind === "ties" || kind === "dare_ties";
  const sign = elects ? electedSigns(weighted, options.majoritySign) : undefined;
  const sum = new Float64Array(tasks[0].length);
  const total = weights.reduce((all, weight) => all + weight, 0);
  const divisors = new Float64Array(sign === undefined ? 0 : sum.length);
  for (const [t, task] of weighted.entries()) {
    const weight = weights[t];
    for (let i = 0; i < sum.length; i++) {
      const value = task[i];
      if (sign !== undefined && !(value * sign[i] > 0)) continue;
      sum[i] += value;
      if (sign !== undefined) divisors[i] += weight;
    }
  }
  for (let i = 0; i < sum.length; i++) {
    const divisor = sign === undefined ? total : divisors[i];
    if (options.normalize && Math.abs(divisor) >= 1e-8) sum[i] /= divisor;
    sum[i] *= options.lambda;
  }
  return sum;
}

function sparsified(kind: Combination, tasks: readonly Task[], { density, masks }: CombineOptions): readonly Task[] {
  if (kind === "linear" || density >= 1) return tasks;
  if (kind === "ties" || kind === "magnitude_prune") {
    return tasks.map((task) => keepLargest(task, keptCount(density, task.length)));
  }
  return tasks.map((task, t) => keepMasked(task, masks(t, task.length, density), 1 / density));
}

function weightedSum(tasks: readonly Task[], weights: readonly number[]): Task {
  const sum = new Float64Array(tasks[0].length);
  for (const [t, task] of tasks.entries()) for (let i = 0; i < sum.length; i++) sum[i] += weights[t] * task[i];
  return sum;
}

/** 1 or −1 an entry; a draw is positive. */
function electedSigns(tasks: readonly Task[], method: MajoritySign): Int8Array {
  const sums = new Float64Array(tasks[0].length);
  for (const task of tasks) {
    for (let i = 0; i < sums.length; i++) sums[i] += method === "total" ? task[i] : Math.sign(task[i]);
  }
  const signs = new Int8Array(sums.length);
  for (let i = 0; i < signs.length; i++) signs[i] = sums[i] >= 0 ? 1 : -1;
  return signs;
}
