// The line of sequences that wait for admission, in the order of arrival, and the rule by which one may be passed.
// What admission takes, the scheduler knows: it tries, the line only says who is next.

import type { Sequence } from "./sequence.ts";

/** Puts a sequence where its arrival belongs. New ones belong at the end, preempted ones near the front. */
export function insertByArrival(sequences: Sequence[], sequence: Sequence): void {
  const after = sequences.findLastIndex((other) => other.arrival! < sequence.arrival!);
  sequences.splice(after + 1, 0, sequence);
}

/** Takes a sequence out, if it is there. */
export function remove(sequences: Sequence[], sequence: Sequence): void {
  const index = sequences.indexOf(sequence);
  if (index >= 0) sequences.splice(index, 1);
}

/**
 * First come, first served, but one whose adapters or pages do not fit yet does not block those behind it. Each may be
 * passed `maxSkips` times; then it is a barrier: nobody behind it is admitted until it is. What runs then finishes and
 * frees its pages, so the barrier falls. That is all the fairness there is between adapters, and it is enough: the
 * requests of a popular adapter can pass those of a rare one only so often.
 */
export class WaitingLine {
  #line: Sequence[] = [];
  #maxSkips: number;

  constructor(maxSkips: number) {
    this.#maxSkips = maxSkips;
  }

  get length(): number {
    return this.#line.length;
  }

  insert(sequence: Sequence): void {
    insertByArrival(this.#line, sequence);
  }

  remove(sequence: Sequence): void {
    remove(this.#line, sequence);
  }

  /** Goes down the line, at most past `maxSkips` sequences, and takes out those that `tryAdmit` says it admitted. */
  admit(tryAdmit: (sequence: Sequence) => boolean): void {
    const passed: Sequence[] = [];
    let place = 0;
    while (place < this.#line.length && passed.length <= this.#maxSkips) {
      const sequence = this.#line[place];
      if (tryAdmit(sequence)) {
        this.#line.splice(place, 1);
        for (const other of passed) other.skips++;
        if (passed.some((other) => other.skips >= this.#maxSkips)) return;
      } else {
        if (sequence.skips >= this.#maxSkips) return;
        passed.push(sequence);
        place++;
      }
    }
  }
}
