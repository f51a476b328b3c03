// The flags of sampling, for every command that generates.

import type { EngineApi } from "../../node/index.ts";
import type { SamplingOptions } from "../../proto/api.ts";
import type { FlagValues } from "./arguments.ts";
import { integer, number } from "./flags.ts";

export const SAMPLING_FLAGS = {
  temperature: number("T", "0 takes the likeliest token; higher is more various (default: the model's own, else 0)", {
    min: 0,
    max: 100,
  }),
  topP: number("P", "Sample from the smallest set of tokens whose probability reaches P", { max: 1 }),
  topK: integer("K", "Sample from the K likeliest tokens; 0 = all", { min: 0 }),
  minP: number("P", "Leave out tokens less likely than P × the likeliest", { min: 0, max: 1 }),
  seed: integer("N", "Same seed, same tokens", { min: 0, max: 2 ** 32 - 1 }),
  repetitionPenalty: number("X", "Above 1: tokens of prompt and answer become less likely"),
  presencePenalty: number("X", "Subtracted once from the logit of a token in the answer"),
  frequencyPenalty: number("X", "Subtracted for each time a token is in the answer"),
};

/** The sampling options that were given, over those that the model comes with. */
export function readSampling(
  flags: FlagValues<typeof SAMPLING_FLAGS>,
  { samplingDefaults }: Pick<EngineApi, "samplingDefaults">,
): SamplingOptions {
  const names = Object.keys(SAMPLING_FLAGS) as (keyof typeof SAMPLING_FLAGS)[];
  const given = names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]]));
  return { ...samplingDefaults, ...Object.fromEntries(given) };
}
