// Steps that are queued on the device and whose results nobody has read yet.

import { MoloraError } from "../../proto/errors.ts";
import type { StepPlan } from "../scheduler/step.ts";
import type { RowResult } from "./results.ts";
import type { SubmittedStep } from "./runner.ts";

/** A step whose results are here. */
export interface FinishedStep {
  plan: StepPlan;
  /** Launches encoded, and how long that took on the host, in milliseconds. */
  launches: number;
  encodeMs: number;
  /** One a row of logits, in the order of the plan's slices. */
  rows: readonly RowResult[];
}

/**
 * The device may be `ahead` steps ahead of the results that the host waits for: then it computes while the host reads,
 * publishes and plans. A step is due once more than `ahead` are in flight, or when nothing was added since the last: then
 * only results can free what the next plan needs.
 */
export class InFlight {
  readonly #ahead: number;
  readonly #steps: SubmittedStep[] = [];
  #added = false;

  constructor(ahead: number) {
    this.#ahead = ahead;
  }

  /** Most steps at once: those ahead, and the one that is waited for. Readbacks are held for so many. */
  get most(): number {
    return this.#ahead + 1;
  }

  get empty(): boolean {
    return this.#steps.length === 0;
  }

  /** A step that was submitted; undefined where the plan was empty. */
  add(step: SubmittedStep | undefined): void {
    this.#added = step !== undefined;
    if (step === undefined) return;
    this.#steps.push(step);
    // A loop that fails awaits no further step; the failure is told once, not again as an unhandled rejection.
    step.results.catch(() => {});
  }

  /** The steps will never end. */
  drop(): void {
    this.#steps.length = 0;
    this.#added = false;
  }

  /**
   * Waits for the oldest step if it is due.
   * @throws MoloraError `internal` where nothing was added and nothing is in flight, so that waiting would never end;
   * what the step itself failed with.
   */
  async next(): Promise<FinishedStep | undefined> {
    if (this.#steps.length <= (this.#added ? this.#ahead : 0)) {
      if (this.#added) return undefined;
      throw new MoloraError("internal", "requests wait and none can be admitted");
    }
    const { plan, launches, encodeMs, results } = this.#steps.shift()!;
    return { plan, launches, encodeMs, rows: await results };
  }
}
