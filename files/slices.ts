// Work of the event loop in slices: between two of them timers, sockets and the engine's steps have their turn.

import type { AbortLike } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";

/** Milliseconds of such work in a row. */
const SLICE_MS = 5;

interface Job {
  /** Does the next step; true: it was the last. Never throws. */
  step(): boolean;
}

/** Jobs that did not finish in the slice they came in; those before `head` are done with. */
const waiting: Job[] = [];
let head = 0;
/** When the slice at hand ends, by performance.now(); undefined: none has begun. */
let sliceEnds: number | undefined;

/**
 * Runs `work` to its end: at once where it is short and the slice has room, else interleaved with all other such work
 * and with the event loop. One step is what lies between two yields; it should take about a millisecond.
 *
 * @throws MoloraError `cancelled` once the signal is aborted, and what `work` throws.
 */
export function sliced<T>(work: Generator<unknown, T>, signal?: AbortLike): Promise<T> {
  return new Promise((resolve, reject) => {
    const step = (): boolean => {
      try {
        if (signal?.aborted) {
          throw new MoloraError("cancelled", "the request was cancelled before it began");
        }
        const { done, value } = work.next();
        if (done) resolve(value);
        return done === true;
      } catch (error) {
        reject(error);
        return true;
      }
    };
    begin({ step });
  });
}

/** Lets the event loop turn where the slice at hand is used up: between two pieces of work of about a millisecond. */
export function turn(): Promise<void> {
  return sliced(nothing());
}

/** Lets the event loop turn in any case: between two pieces of work of many milliseconds. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function* nothing(): Generator<void, void> {}

function begin(job: Job): void {
  if (sliceEnds === undefined) {
    sliceEnds = performance.now() + SLICE_MS;
    setTimeout(nextSlice, 0);
  }
  // Who comes while others wait stands behind them.
  while (head === waiting.length && performance.now() < sliceEnds) if (job.step()) return;
  waiting.push(job);
}

/** A step of each job in turn, while the slice lasts. */
function nextSlice(): void {
  if (head === waiting.length) {
    waiting.length = head = 0;
    sliceEnds = undefined;
    return;
  }
  sliceEnds = performance.now() + SLICE_MS;
  while (head < waiting.length && performance.now() < sliceEnds) {
    const job = waiting[head++]!;
    if (!job.step()) waiting.push(job);
  }
  if (head * 2 > waiting.length) {
    waiting.splice(0, head);
    head = 0;
  }
  setTimeout(nextSlice, 0);
}
