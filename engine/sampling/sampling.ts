// Sampling settings with every default filled in and every range checked.
// The sampling kernel applies what is settled here.

import type { SamplingOptions } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";

export type Sampling = Required<SamplingOptions>;

const RANGES: Record<keyof SamplingOptions, { least: number; most: number; integer?: boolean; above?: boolean }> = {
  temperature: { least: 0, most: 100 },
  topK: { least: 0, most: 2 ** 31, integer: true },
  topP: { least: 0, most: 1, above: true },
  minP: { least: 0, most: 1 },
  seed: { least: 0, most: 2 ** 32 - 1, integer: true },
  repetitionPenalty: { least: 0, most: 100, above: true },
  presencePenalty: { least: -100, most: 100 },
  frequencyPenalty: { least: -100, most: 100 },
};

/** Fills in defaults: greedy, nothing truncated, no penalties, a random seed. A value out of range is `bad_request`. */
export function resolveSampling(options: SamplingOptions): Sampling {
  const sampling: Sampling = {
    temperature: options.temperature ?? 0,
    topK: options.topK ?? 0,
    topP: options.topP ?? 1,
    minP: options.minP ?? 0,
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
    repetitionPenalty: options.repetitionPenalty ?? 1,
    presencePenalty: options.presencePenalty ?? 0,
    frequencyPenalty: options.frequencyPenalty ?? 0,
  };
  for (const [name, range] of Object.entries(RANGES)) {
    const value = sampling[name as keyof Sampling];
    const inside = range.above ? value > range.least : value >= range.least;
    if (inside && value <= range.most && (!range.integer || Number.isInteger(value))) continue;
    const kind = range.integer ? "an integer" : "a number";
    throw new MoloraError("bad_request", `${name} is ${value}`, {
      remedy: `Give ${kind} ${range.above ? "above" : "from"} ${range.least} to ${range.most}.`,
      details: { field: name },
    });
  }
  return sampling;
}

/** Whether the tokens already seen matter, so that the device has to count them. */
export function countsTokens({ repetitionPenalty, presencePenalty, frequencyPenalty }: Sampling): boolean {
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
}
