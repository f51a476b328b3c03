// The line of sequences that wait for admission, in which adapters take turns, and the rule by which one may be passed.
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

/** What requests of one adapter, stack or mixture have in common; the base alone is one too. */
function flowOf({ routePlan }: Sequence): string {
  if (routePlan.kind === "none") return "";
  const { entries, router } =
    routePlan.kind === "fixed"
      ? { entries: routePlan.entries, router: [] }
      : { entries: routePlan.beside ?? [], router: [routePlan.key] };
  return [...router, ...entries.map(({ key }) => key)].join(" ");
}

/**
 * Adapters take turns: a request's turn is one after the last of its adapter, but not before the turn that is served now
 * (start-time fair queueing, Goyal et al. 1996, each request counting one). So a burst of one adapter waits behind single
 * requests of others, and among those of one adapter, or where there is only one, it is first come, first served.
 *
 * One whose adapters or pages do not fit yet does not block those behind it. Each may be passed `maxSkips` times; then it
 * is a barrier: nobody behind it is admitted until it is. What runs then finishes and frees its pages, so the barrier falls.
 */
export class WaitingLine {
  #line: Sequence[] = [];
  #maxSkips: number;
  /** The turn that is served. */
  #now = 0;
  /** By flow: the turn that its next request gets at the earliest. */
  readonly #next = new Map<string, number>();

  constructor(maxSkips: number) {
    this.#maxSkips = maxSkips;
  }

  get length(): number {
    return this.#line.length;
  }

  /** One that was preempted keeps its turn. */
  insert(sequence: Sequence): void {
    sequence.turn ??= this.#turnOf(flowOf(sequence));
    const { turn, arrival } = sequence;
    const after = this.#line.findLastIndex(
      (other) => other.turn! < turn || (other.turn === turn && other.arrival! < arrival!),
    );
    this.#line.splice(after + 1, 0, sequence);
  }

  #turnOf(flow: string): number {
    // Nobody waits: all flows begin anew.
    if (this.#line.length === 0) this.#next.clear();
    const turn = Math.max(this.#now, this.#next.get(flow) ?? 0);
    this.#next.set(flow, turn + 1);
    if (this.#next.size > 2 * this.#line.length + 1024) this.#forgetServed();
    return turn;
  }

  /** A flow whose next turn is served now, or was, is as one that is not known. */
  #forgetServed(): void {
    for (const [flow, turn] of this.#next) if (turn <= this.#now) this.#next.delete(flow);
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
        this.#now = Math.max(this.#now, sequence.turn!);
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
