// One matrix of a merge as an order that another thread may take, and what comes back.

import { type Factored, squaredNorm } from "../linear/factored.ts";
import { dot } from "../linear/matrix.ts";
import type { MergeMethod, SettledTuning } from "./options.ts";
import { lowRank } from "./peft.ts";
import { type MergedDelta, mergePlace, type PlaceTask } from "./place.ts";

/** Data alone: it can be copied to another thread. */
export interface PlaceJob {
  method: MergeMethod;
  task: Omit<PlaceTask, "masks">;
  tuning: SettledTuning;
  /** At which a whole delta is written. */
  rank: number;
}

/** A LoRA that is exactly what was merged, or what of it a rank holds. Squared Frobenius norms. */
export interface PlaceResult {
  delta: Factored;
  /** Of `delta`. */
  held: number;
  /** Of the whole, and of what is missing: 0 where `delta` is exact. */
  squares: number;
  missing: number;
}

/** Threads that merge matrices. What they give back does not depend on how many they are. */
export interface MergeCrew {
  /** Jobs that it works on at once. */
  readonly width: number;
  run(job: PlaceJob): Promise<PlaceResult>;
  /** Ends them; what they were at is lost. */
  close(): void;
}

export type OpenMergeCrew = () => MergeCrew;

export function mergedDelta({ method, task, tuning }: PlaceJob): MergedDelta {
  return mergePlace(method, task, tuning);
}

export function mergedLora(job: PlaceJob): PlaceResult {
  const merged = mergedDelta(job);
  if (merged.kind === "factored") {
    return { delta: merged.delta, held: squaredNorm(merged.delta), squares: 0, missing: 0 };
  }
  const squares = dot(merged.delta.data, merged.delta.data);
  const delta = lowRank(merged.delta, job.rank);
  const missing = Math.max(0, squares - dot(delta.b.data, delta.b.data));
  return { delta, held: squaredNorm(delta), squares, missing };
}

/** This thread alone. */
export const HERE: MergeCrew = {
  width: 1,
  run: async (job) => mergedLora(job),
  close: () => undefined,
};
