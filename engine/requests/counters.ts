// What the engine has done since it started, counted from what the loop publishes.

import type { LoopCounters } from "../api.ts";
import type { FinishedStep } from "../step/in_flight.ts";
import type { RowResult } from "../step/results.ts";
import type { Ticket } from "./ticket.ts";

/** Told of all that the loop publishes. */
export interface LoopObserver {
  /** The results of a step are here. */
  stepEnded?(step: FinishedStep): void;
  /** A token was sampled and goes to its ticket. */
  tokenSampled?(ticket: Ticket, row: RowResult): void;
}

export class Counters implements LoopCounters, LoopObserver {
  steps = 0;
  promptTokens = 0;
  generatedTokens = 0;
  launches = 0;
  encodeMs = 0;
  revivals = 0;

  stepEnded({ plan, launches, encodeMs }: FinishedStep): void {
    this.steps++;
    this.launches = launches;
    this.encodeMs = encodeMs;
    for (const { sequence, start, count } of plan.slices) {
      this.promptTokens += Math.max(0, Math.min(start + count, sequence.promptLength) - start);
    }
  }

  tokenSampled(): void {
    this.generatedTokens++;
  }
}
