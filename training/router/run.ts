// A whole training run of a router: batches in their order, the rate of each step, and evaluations in between.
// It can be left after any step and gone on with at the next.

import { learningRate } from "../optimizer/schedule.ts";
import type { Objective } from "./objective.ts";
import type { LabelledText, RouterTrainer, StepReport } from "./trainer.ts";

export interface RunOptions {
  objective: Objective;
  /** First step to take: 0, or where a checkpoint was written. */
  from: number;
  steps: number;
  /** Texts a step. */
  batch: number;
  /** Highest learning rate, reached after `warmup` steps, then a cosine down to zero. */
  rate: number;
  warmup: number;
  /** Evaluated every `validEvery` steps and after the last; empty for no evaluation. */
  valid: readonly LabelledText[];
  validEvery: number;
  /** Ends the run after the step under way. */
  signal?: AbortSignal;
}

export interface RunEvent {
  /** Steps taken. */
  step: number;
  rate: number;
  report: StepReport;
  valid: StepReport | undefined;
}

/**
 * Yields one event for each step.
 *
 * @throws RangeError where a gradient is no longer finite.
 */
export async function* runTraining(trainer: RouterTrainer, options: RunOptions): AsyncGenerator<RunEvent, void> {
  const { objective, steps, batch, valid, validEvery, signal } = options;
  for (let step = options.from; step < steps; step++) {
    if (signal?.aborted) return;
    const rate = learningRate(step, options);
    const report = await trainer.step(await objective.texts(step * batch, batch), rate);
    if (!Number.isFinite(report.gradientNorm)) throw new RangeError(`step ${step + 1}: the gradient is not finite`);
    const due = valid.length > 0 && ((step + 1) % validEvery === 0 || step + 1 === steps);
    yield { step: step + 1, rate, report, valid: due ? await trainer.evaluate(valid) : undefined };
  }
}
