// The findings of an evaluation as data: report.json is exactly this.
// compare.ts fills it in; markdown.ts and page.ts show it.

import type { Interval } from "./bootstrap.ts";

/** Losses in nats a token. */
export interface Measure {
  tokens: number;
  loss: Interval;
  bitsPerByte: number;
}

/** The figures of one policy on one set of texts. */
export interface SetMeasures {
  all: Measure;
  /** Tokens of completions; of a text without a prompt, all but the first. */
  completions: Measure;
}

/**
 * Share of the way from the best single expert for each whole text, chosen with hindsight, to the right adapter for every
 * token by its label: 0 at the former, 1 at the latter.
 */
export interface Gain {
  all: Interval;
  completions: Interval;
}

export interface PolicyReport {
  name: string;
  title: string;
  sets: Record<string, SetMeasures>;
  /** On sets of mixed texts. */
  gain: Record<string, Gain>;
}

export interface LayerRouting {
  /** Share of tokens each expert was chosen for, in the order of `experts`. */
  load: number[];
  /** Mean entropy of the beliefs, in nats. */
  entropy: number;
  /** Share of labelled tokens where the choice was the label. */
  agreement: number;
  /** Changes of the choice per 100 tokens. */
  switches: number;
  /** Agreement by the number of tokens since the label changed, in the report's bins; null where a bin has no tokens. */
  sinceSwitch: (number | null)[];
}

export interface RoutingReport {
  /** Changes of the label per 100 tokens. */
  labelSwitches: number;
  layers: LayerRouting[];
}

/** First and last number of tokens since a switch that a bin holds; the last bin has no end. */
export type Bin = [first: number, last: number | null];

/** "4–7", "64+" */
export function binText([first, last]: Bin): string {
  if (last === null) return `${first}+`;
  return first === last ? String(first) : `${first}–${last}`;
}

export interface TrainingCurve {
  /** Agreement with the labels; absent where training had none. */
  steps: { step: number; tokens: number; loss: number; agreement?: number }[];
  valid: { step: number; loss: number; agreement?: number }[];
}

/** Texts and tokens of every set. */
export type SetSizes = Record<string, { texts: number; tokens: number; completionTokens: number }>;

export interface EvaluationReport {
  /** Whether routing pays, in plain words. */
  headline: string;
  experts: string[];
  sets: SetSizes;
  policies: PolicyReport[];
  bins: Bin[];
  /** By set of mixed texts, and "single" for all others together. */
  routing: Record<string, RoutingReport>;
  training?: TrainingCurve;
}
