// Counts which experts took generated tokens, over the engine's life.
// It knows nothing of requests beyond the ticket a result belongs to.

import type { RowResult } from "./runner/results.ts";
import type { Ticket } from "./ticket.ts";

export class RoutingShares {
  /** By mixture key: (token, layer) choices an expert. */
  readonly #choices = new Map<string, number[]>();
  /** By adapter name: tokens generated with it, a routed token counting by its share of layers. */
  readonly #tokens = new Map<string, number>();

  count(ticket: Ticket, { trace }: RowResult): void {
    const { routePlan } = ticket.sequence;
    if (routePlan.kind !== "router" || trace === undefined) {
      for (const name of ticket.accepted.experts) this.#add(name, 1);
      return;
    }
    const choices = this.#choices.get(routePlan.key) ?? [];
    this.#choices.set(routePlan.key, choices);
    for (const { experts } of trace) {
      for (const expert of experts) {
        choices[expert] = (choices[expert] ?? 0) + 1;
        this.#add(ticket.expertNames![expert]!, 1 / (trace.length * experts.length));
      }
    }
  }

  /** Share of choices each expert of a mixture got; zeros before the first. */
  of(key: string, experts: number): number[] {
    const choices = Array.from({ length: experts }, (_, e) => this.#choices.get(key)?.[e] ?? 0);
    const all = choices.reduce((sum, count) => sum + count, 0);
    return choices.map((count) => (all === 0 ? 0 : count / all));
  }

  adapterTokens(name: string): number {
    return this.#tokens.get(name) ?? 0;
  }

  #add(name: string, tokens: number): void {
    this.#tokens.set(name, (this.#tokens.get(name) ?? 0) + tokens);
  }
}
