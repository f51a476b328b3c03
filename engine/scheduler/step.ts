// What the scheduler hands to the runner: which tokens of which sequences make up one step.

import type { Placement } from "../memory/residency.ts";
import type { Slice } from "./sequence.ts";

export interface StepPlan {
  slices: Slice[];
  /** Tokens in all. */
  tokens: number;
  /** Logit rows in all. */
  logitRows: number;
  /** Generations that were just given pages: their weights must be written before the slices run. */
  uploads: Placement[];
}
