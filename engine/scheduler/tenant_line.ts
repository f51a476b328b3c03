// Those of one tenant that wait: its adapters take turns.

import type { Sequence } from "./sequence.ts";

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
 * A request's turn is one after the last of its adapter, but not before the turn that is served now (start-time fair queueing, Goyal
 * et al. 1996, each request counting one). So a burst of one adapter waits behind single requests of others, and among those of
 * one adapter, or where there is only one, it is first come, first served.
 */
export class TenantLine {
  readonly #line: Sequence[] = [];
  /** The turn of the tenant that its first request has among those of other tenants. */
  #start = 0;
  /** The turn that is served, among its own. */
  #now = 0;
  /** By flow: the turn that its next request gets at the earliest. */
  readonly #next = new Map<string, number>();

  get length(): number {
    return this.#line.length;
  }

  /** The turn of the tenant's next request, as it is now. */
  get next(): number {
    return this.#start;
  }

  /** `served`: the turn of tenants that is served now. One that was preempted keeps its turn, and the tenant's. */
  insert(sequence: Sequence, served: number): void {
    if (sequence.turn !== undefined) this.#start--;
    else if (this.#line.length === 0) this.#start = Math.max(this.#start, served);
    sequence.turn ??= this.#turnOf(flowOf(sequence));
    const { turn, arrival } = sequence;
    const after = this.#line.findLastIndex(
      (other) => other.turn! < turn || (other.turn === turn && other.arrival! < arrival!),
    );
    this.#line.splice(after + 1, 0, sequence);
  }

  /** False where it does not wait. */
  remove(sequence: Sequence): boolean {
    const index = this.#line.indexOf(sequence);
    if (index >= 0) this.#line.splice(index, 1);
    return index >= 0;
  }

  /** Takes out one that was admitted; the turn of tenants that it had. */
  serve(sequence: Sequence): number {
    const turn = this.#start + this.#line.indexOf(sequence);
    this.remove(sequence);
    this.#now = Math.max(this.#now, sequence.turn!);
    this.#start++;
    return turn;
  }

  /** All of it with the turns of tenants. */
  turns(): { turn: number; sequence: Sequence }[] {
    return this.#line.map((sequence, i) => ({ turn: this.#start + i, sequence }));
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
}
