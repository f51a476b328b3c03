// What the scheduler hands to the runner: which tokens of which sequences make up one step.

import type { Placement } from "../memory/residency.ts";
import type { Sequence } from "./sequence.ts";

/** How a sequence's tokens get their adapters: a fixed weighted list, or a router. Resident keys, not names. */
export type RoutePlan =
  | { kind: "none" }
  | { kind: "fixed"; entries: { key: string; weight: number }[] }
  | { kind: "router"; key: string };

/**
 * One sequence's share of a step: positions [start, start + count). The device state in its slot begins anew where its
 * own computing does, at `sequence.adopted`.
 */
export interface Slice {
  sequence: Sequence;
  start: number;
  count: number;
  /** The last position of the slice is the last known token: a next token is sampled from it. */
  samples: boolean;
  /** Logits are needed for the last `logitRows` positions of the slice: 0, 1, or more for prompt log-probabilities. */
  logitRows: number;
}

export interface StepPlan {
  slices: Slice[];
  /** Tokens in all. */
  tokens: number;
  /** Logit rows in all. */
  logitRows: number;
  /** Generations that were just given pages: their weights must be written before the slices run. */
  uploads: Placement[];
}
