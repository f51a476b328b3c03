// A whole training on the language-model loss: batches by a seed, a schedule, validations, an end or an interruption.

import { learningRate, type Schedule } from "./optimizer/schedule.ts";
import type { Trainer } from "./trainer.ts";
import { countedTokens, drawBatch, type TrainingText } from "./training_texts.ts";

export interface RunOptions {
  texts: readonly TrainingText[];
  /** Texts that are never learned from; empty for no validation. */
  valid: readonly TrainingText[];
  /** Texts a step. */
  batch: number;
  schedule: Schedule;
  seed: number;
  /** Steps between validations. */
  validateEvery: number;
  /** Ends the run after the step that is running. */
  signal: AbortSignal;
  onStep: (step: LoggedStep) => void;
}

export interface LoggedStep {
  /** From 1. */
  step: number;
  loss: number;
  /** Where the adapter is held near another: what that costs. */
  penalty?: number;
  gradientNorm: number;
  rate: number;
  tokens: number;
  seconds: number;
}

export interface Validation {
  /** Steps taken before it. */
  step: number;
  loss: number;
}

export interface RunResult {
  steps: LoggedStep[];
  validations: Validation[];
  interrupted: boolean;
}

/** Goes on from the steps the trainer has taken. */
export async function runTraining(trainer: Trainer, options: RunOptions): Promise<RunResult> {
  const { texts, valid, batch, schedule, seed, validateEvery, signal, onStep } = options;
  const result: RunResult = { steps: [], validations: [], interrupted: false };
  const validate = async (step: number) => {
    if (valid.length > 0) result.validations.push({ step, loss: await meanLoss(trainer, valid, batch) });
  };
  const first = trainer.steps;
  if (first === 0) await validate(0);
  for (let step = first; step < schedule.steps; step++) {
    if (signal.aborted) {
      result.interrupted = true;
      return result;
    }
    const begun = performance.now();
    const rate = learningRate(step, schedule);
    const { loads: _, ...taken } = await trainer.step(drawBatch(texts, batch, seed, step), rate);
    const logged = { step: step + 1, rate, seconds: (performance.now() - begun) / 1000, ...taken };
    result.steps.push(logged);
    onStep(logged);
    if ((step + 1) % validateEvery === 0 || step + 1 === schedule.steps) await validate(step + 1);
  }
  return result;
}

/** Mean loss over the counting tokens of all texts, computed a batch at a time. */
async function meanLoss(trainer: Trainer, texts: readonly TrainingText[], batch: number): Promise<number> {
  let sum = 0;
  for (let at = 0; at < texts.length; at += batch) {
    const some = texts.slice(at, at + batch);
    sum += (await trainer.evaluate(some)) * countedTokens(some);
  }
  return sum / countedTokens(texts);
}
