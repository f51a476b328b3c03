// Whole texts of one step: which of them fit into a step together, and the arrays that kernels read of them.

import { firstTurn } from "../../engine/model/rotations.ts";
import { resolveSampling } from "../../engine/sampling/sampling.ts";
import type { Job } from "../../engine/scheduler/job.ts";
import type { RoutePlan, Slice } from "../../engine/scheduler/sequence.ts";
import { Sequence } from "../../engine/scheduler/sequence.ts";
import { type Batch, buildBatch } from "../../engine/step/batch.ts";
import type { FrozenModel } from "./frozen_model.ts";

export interface PlannedText {
  ids: readonly number[];
  plan: RoutePlan;
}

/** Scores given tokens; nothing is picked. */
const JOB: Job = {
  sampling: resolveSampling({ seed: 0 }),
  logprobs: undefined,
  promptLogprobs: 0,
  trace: false,
  allowed: undefined,
};

/** Cuts a list into steps that the capacity holds, in order. `tokensOf`: what a text takes. */
export function intoSteps<T>(
  texts: readonly T[],
  { capacity }: FrozenModel,
  tokensOf: (text: T) => number,
): { first: number; texts: T[]; tokens: number }[] {
  const steps: { first: number; texts: T[]; tokens: number }[] = [];
  for (const [i, text] of texts.entries()) {
    const tokens = tokensOf(text);
    const open = steps.at(-1);
    if (open !== undefined && open.texts.length < capacity.sequences && open.tokens + tokens <= capacity.tokens) {
      open.texts.push(text);
      open.tokens += tokens;
    } else {
      steps.push({ first: i, texts: [text], tokens });
    }
  }
  return steps;
}

/**
 * The arrays of a step, uploaded. `scored`: every token but a text's last has a row of logits for the token behind it,
 * and the last, which predicts nothing known, is left out; else all tokens run and there are no rows.
 * @throws RangeError where they exceed the model's capacity
 */
export function uploadTexts(model: FrozenModel, texts: readonly PlannedText[], scored: boolean): Batch {
  const { device, base, capacity, bank } = model;
  const { inputs } = base;
  const slices = texts.map(({ ids, plan }, slot): Slice => {
    const sequence = new Sequence({
      id: `text ${slot}`,
      prompt: ids,
      maxTokens: 0,
      routePlan: plan,
      residencyKeys: [],
      promptLogprobs: scored,
      job: JOB,
    });
    sequence.firstTurn = firstTurn(model.base.shortTurns, ids.length);
    sequence.pages.push(...model.textPages(slot));
    sequence.slot = slot;
    const count = ids.length - (scored ? 1 : 0);
    return { sequence, start: 0, count, samples: false, logitRows: scored ? count : 0 };
  });
  const tokens = slices.reduce((sum, { count }) => sum + count, 0);
  if (tokens > capacity.tokens || slices.length > capacity.sequences) {
    throw new RangeError(`${slices.length} texts of ${tokens} tokens in a step for ${capacity.tokens}`);
  }
  const plan = { slices, tokens: 0, logitRows: 0, uploads: [] };
  const place = ({ sequence }: Slice) => bank.place(sequence.routePlan);
  const batch = buildBatch(plan, inputs, capacity, place, new ArrayBuffer(inputs.bytes));
  device.write(inputs.whole, batch.words);
  return batch;
}
