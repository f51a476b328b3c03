// The line of sequences that wait for admission, in which tenants take turns and each tenant's adapters do, and the rule by which
// one may be passed. What admission takes, the scheduler knows: it tries, the line only says who is next.

import type { Sequence } from "./sequence.ts";
import { TenantLine } from "./tenant_line.ts";

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

export interface Patience {
  /** How often a sequence may be passed by later ones that fit. */
  maxSkips: number;
  /** Milliseconds after which nobody passes it any more. Default: none. */
  drainAfterMs?: number;
  /** Milliseconds of a clock that does not jump. */
  now?: () => number;
}

/** Tenants that are remembered though none of theirs waits. */
const MOST_IDLE = 1024;

/**
 * Tenants take turns by start-time fair queueing (Goyal et al. 1996), each request counting one: the first in a tenant's line has
 * one turn after the last of it that was served, but not before the turn that is served now. So who sends a burst waits behind
 * single requests of others, whatever adapters they use; within a tenant the same holds of its adapters (TenantLine).
 *
 * One whose adapters or pages do not fit yet does not block those behind it. Each may be passed `maxSkips` times, and for
 * `drainAfterMs`; then it is a barrier: nobody behind it is admitted until it is. What runs then finishes and frees its pages, so
 * the barrier falls.
 */
export class WaitingLine {
  readonly #tenants = new Map<string, TenantLine>();
  readonly #maxSkips: number;
  readonly #drainAfterMs: number;
  readonly #clock: () => number;
  /** Everybody, in the order of turns; undefined where it has to be found anew. */
  #order: Sequence[] | undefined;
  /** The turn that is served. */
  #now = 0;
  #length = 0;

  constructor({ maxSkips, drainAfterMs = Number.POSITIVE_INFINITY, now = () => performance.now() }: Patience) {
    this.#maxSkips = maxSkips;
    this.#drainAfterMs = drainAfterMs;
    this.#clock = now;
  }

  get length(): number {
    return this.#length;
  }

  /** One that was preempted keeps its turn. */
  insert(sequence: Sequence): void {
    sequence.queued ??= this.#clock();
    let line = this.#tenants.get(sequence.tenant);
    if (line === undefined) {
      line = new TenantLine();
      this.#tenants.set(sequence.tenant, line);
      if (this.#tenants.size > MOST_IDLE) this.#forgetIdle();
    }
    line.insert(sequence, this.#now);
    this.#length++;
    this.#order = undefined;
  }

  remove(sequence: Sequence): void {
    if (!this.#tenants.get(sequence.tenant)?.remove(sequence)) return;
    this.#length--;
    this.#order = undefined;
  }

  /** Goes down the line, at most past `maxSkips` sequences, and takes out those that `tryAdmit` says it admitted. */
  admit(tryAdmit: (sequence: Sequence) => boolean): void {
    const passed: Sequence[] = [];
    for (const sequence of this.#ordered()) {
      if (passed.length > this.#maxSkips) return;
      if (tryAdmit(sequence)) {
        this.#serve(sequence);
        for (const other of passed) other.skips++;
        if (passed.some((other) => this.#isBarrier(other))) return;
      } else {
        if (this.#isBarrier(sequence)) return;
        passed.push(sequence);
      }
    }
  }

  #serve(sequence: Sequence): void {
    const line = this.#tenants.get(sequence.tenant)!;
    this.#now = Math.max(this.#now, line.serve(sequence));
    this.#length--;
    this.#order = undefined;
  }

  #isBarrier({ skips, queued = 0 }: Sequence): boolean {
    return skips >= this.#maxSkips || this.#clock() - queued >= this.#drainAfterMs;
  }

  #ordered(): readonly Sequence[] {
    if (this.#order === undefined) {
      const turns = [...this.#tenants.values()].flatMap((line) => line.turns());
      turns.sort((a, b) => a.turn - b.turn || a.sequence.arrival! - b.sequence.arrival!);
      this.#order = turns.map(({ sequence }) => sequence);
    }
    return this.#order;
  }

  /** A tenant whose next turn is served now, or was, is as one that is not known. */
  #forgetIdle(): void {
    for (const [name, line] of this.#tenants) {
      if (line.length === 0 && line.next <= this.#now) this.#tenants.delete(name);
    }
  }
}
