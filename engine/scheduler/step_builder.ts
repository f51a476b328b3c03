// A step while the scheduler puts it together: the slices chosen so far and the budget they leave.

import type { Placement } from "../memory/residency.ts";
import type { Sequence, Slice } from "./sequence.ts";
import type { StepPlan } from "./step.ts";

export interface StepLimits {
  /** Most tokens in a step. */
  maxBatchTokens: number;
  /** Most tokens one sequence contributes to a step: a long prompt is computed in chunks of this size. */
  prefillChunk: number;
  /** Most positions of a step whose logits are computed. */
  maxLogitRows: number;
}

export class StepBuilder {
  readonly plan: StepPlan = { slices: [], tokens: 0, logitRows: 0, uploads: [] };
  /** A running sequence lost its pages for this step, so it is no time to admit others. */
  preempted = false;
  #limits: StepLimits;
  #members = new Set<Sequence>();

  constructor(limits: StepLimits) {
    this.#limits = limits;
  }

  has(sequence: Sequence): boolean {
    return this.#members.has(sequence);
  }

  /** How many of the sequence's remaining positions the budget still takes. */
  room(sequence: Sequence): number {
    const tokens = this.#limits.maxBatchTokens - this.plan.tokens;
    const count = Math.min(sequence.alike, this.#limits.prefillChunk, tokens);
    if (count <= 0) return 0;
    // Rows are needed at the end of a slice, so each position less is a row less, until the rows fit.
    const rows = this.plan.logitRows + sequence.slice(count).logitRows;
    return count - Math.max(0, rows - this.#limits.maxLogitRows);
  }

  add(slice: Slice): void {
    this.#members.add(slice.sequence);
    this.plan.slices.push(slice);
    this.plan.tokens += slice.count;
    this.plan.logitRows += slice.logitRows;
  }

  upload(placed: readonly Placement[]): void {
    this.plan.uploads.push(...placed.filter((placement) => placement.fresh));
  }
}
