// The policies that a router is compared with: some are runs of the model, others follow from those of single adapters.

import { UNLABELLED } from "../data/labels.ts";
import type { EvaluatedText } from "./texts.ts";

/** [text][t]: loss of ids[t + 1], in nats. */
export type Losses = readonly Float32Array[];

/** In the order of the table. */
export const POLICY_TITLES = {
  base: "base",
  uniform: "uniform mixture of all adapters",
  "prompt-loss": "per text, by the prompt's loss",
  "text-hindsight": "per text, best with hindsight",
  label: "right adapter by label",
  router: "this router",
  twin: "its memoryless twin",
  arrow: "arrow",
  "token-hindsight": "per token, best with hindsight",
} as const;

/** Tokens that the choice by the prompt's loss may see of a text without a prompt. */
const OPENING = 32;

/** For each text, the losses of the run with the least loss on the tokens that count. */
export function textHindsight(runs: readonly Losses[], counts: readonly (readonly boolean[])[]): Losses {
  return pickPerText(runs, (losses, text) => sumWhere(losses, (t) => counts[text][t + 1]));
}

/** For each text, the losses of the run with the least loss on its prompt: all before the first completion. */
export function promptLoss(runs: readonly Losses[], texts: readonly EvaluatedText[]): Losses {
  return pickPerText(runs, (losses, text) => {
    const first = texts[text].completion.indexOf(true);
    const end = first > 1 ? first : OPENING;
    return sumWhere(losses, (t) => t + 1 < end);
  });
}

/** The least loss of any run at every token. No router can reach it: it is chosen knowing the token. */
export function tokenHindsight(runs: readonly Losses[]): Losses {
  return runs[0].map((losses, text) => losses.map((_, t) => Math.min(...runs.map((run) => run[text][t]))));
}

/** The one of `keys` (by expert) that each token gets: its label's, none where it has no label. */
export function adaptersByLabel(
  texts: readonly EvaluatedText[],
  keys: readonly (string | undefined)[],
): (string | undefined)[][] {
  return texts.map(({ labels }) => labels.map((label) => (label === UNLABELLED ? undefined : keys[label])));
}

function pickPerText(runs: readonly Losses[], cost: (losses: Float32Array, text: number) => number): Losses {
  return runs[0].map((_, text) => {
    const costs = runs.map((run) => cost(run[text], text));
    return runs[costs.indexOf(Math.min(...costs))][text];
  });
}

function sumWhere(losses: Float32Array, counts: (t: number) => boolean): number {
  return losses.reduce((sum, loss, t) => sum + (counts(t) ? loss : 0), 0);
}
