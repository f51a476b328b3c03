// The scheduler's options and the one place that checks them.

import { MoloraError } from "../../proto/errors.ts";
import type { StepLimits } from "./step_builder.ts";

export interface SchedulerOptions extends StepLimits {
  /** Most sequences that run at once; slots are 0 … maxSequences - 1. */
  maxSequences: number;
  /** Positions of KV a page holds. */
  pageTokens: number;
  /** Most sequences that wait. */
  maxQueue: number;
  /** How often a waiting sequence may be passed by later ones that fit. Default 32. */
  maxSkips?: number;
  /** Milliseconds that a waiting sequence may be passed by later ones that fit. Default: no limit but `maxSkips`. */
  drainAfterMs?: number;
  /**
   * A sequence is planned while at most this many of its sampled ids are unseen by the host. Default 1: the next step
   * can be submitted before the ids of the last one were read. 0: each step's ids must be delivered first.
   */
  runAhead?: number;
  /** Sequences of at most `within` tokens are turned by rows from `at` on (LongRoPE). Default: all by those from 0 on. */
  shortTurns?: { within: number; at: number };
  /** Pages that hold the beginning of a sequence are found by those that begin alike. Default: true. */
  prefixCache?: boolean;
}

/** Fills in the defaults. @throws MoloraError `bad_arguments` for a value out of range. */
export function checkOptions(given: SchedulerOptions): Required<SchedulerOptions> {
  const {
    prefixCache = true,
    drainAfterMs = Number.POSITIVE_INFINITY,
    shortTurns = { within: Number.POSITIVE_INFINITY, at: 0 },
    ...counts
  } = {
    ...given,
    maxSkips: given.maxSkips ?? 32,
    runAhead: given.runAhead ?? 1,
  };
  const options = { ...counts, prefixCache, drainAfterMs, shortTurns };
  if (!(drainAfterMs >= 0)) {
    throw new MoloraError("bad_arguments", `drainAfterMs is ${drainAfterMs}`, {
      remedy: "Give milliseconds, from 0 up.",
    });
  }
  for (const [name, value] of Object.entries(counts)) {
    const least = name === "runAhead" ? 0 : 1;
    if (Number.isSafeInteger(value) && value >= least) continue;
    throw new MoloraError("bad_arguments", `${name} is ${value}`, { remedy: `Give an integer of at least ${least}.` });
  }
  // Every running sequence can then decode in every step: decoding is never starved.
  for (const name of ["maxBatchTokens", "maxLogitRows"] as const) {
    if (options[name] >= options.maxSequences) continue;
    throw new MoloraError(
      "bad_arguments",
      `${name} (${options[name]}) is below maxSequences (${options.maxSequences})`,
      {
        remedy: `Raise ${name} or lower maxSequences: each running sequence may need one in every step.`,
      },
    );
  }
  return options;
}
