// What the scheduler hands to the runner: which tokens of which sequences make up one step.
// It knows nothing of GPUs; pages and rows are plain indices.

import type { Placement } from "../memory/residency.ts";

/** Why a sequence's tokens meet adapters: a fixed weighted list, or a router. Resident keys, not names. */
export type RoutePlan =
  | { kind: "none" }
  | { kind: "fixed"; entries: { key: string; weight: number }[] }
  | { kind: "router"; key: string };

/**
 * One sequence's share of a step: positions [start, start + count). Its per-row device state begins anew where its own
 * computing does, at `sequence.adopted`.
 */
export interface Slice<S> {
  sequence: S;
  start: number;
  count: number;
  /** The last position of the slice is the last known token: a next token is sampled from it. */
  samples: boolean;
  /** Logits are needed for the last `logitRows` positions of the slice: 0, 1, or more for prompt log-probabilities. */
  logitRows: number;
}

export interface StepPlan<S> {
  slices: Slice<S>[];
  /** Tokens in all. */
  tokens: number;
  /** Logit rows in all. */
  logitRows: number;
  /** Generations that were just given pages: their weights must be written before the slices run. */
  uploads: Placement[];
}
