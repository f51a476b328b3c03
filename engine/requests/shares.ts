// Counts which experts took generated tokens, over the engine's life.

import type { LayerShare } from "../../proto/api.ts";
import { entropy, normalise } from "../../router/statistics.ts";
import type { RowResult } from "../step/results.ts";
import type { LoopObserver } from "./counters.ts";
import type { Ticket } from "./ticket.ts";

export class RoutingShares implements LoopObserver {
  /** By mixture key and layer: choices an expert, those of several shared by their gates. */
  readonly #choices = new Map<string, number[][]>();
  /** By adapter name: tokens generated with it, a routed token counting by its share of layers. */
  readonly #tokens = new Map<string, number>();

  tokenSampled(ticket: Ticket, { trace }: RowResult): void {
    const { routePlan } = ticket.sequence;
    if (routePlan.kind !== "router" || trace === undefined) {
      for (const name of ticket.accepted.experts) this.#add(name, 1);
      return;
    }
    const names = ticket.expertNames!;
    // What a recipe stacks beside a router stands behind its experts, in every layer.
    const experts = names.length - (routePlan.beside?.length ?? 0);
    for (const name of names.slice(experts)) this.#add(name, 1);
    const layers = this.#choices.get(routePlan.key) ?? [];
    this.#choices.set(routePlan.key, layers);
    for (const [layer, { experts: chosen, gates }] of trace.entries()) {
      layers[layer] ??= [];
      const choices = layers[layer];
      let sum = 0;
      for (const [i, expert] of chosen.entries()) if (expert < experts) sum += gates[i]!;
      if (sum === 0) continue;
      for (const [i, expert] of chosen.entries()) {
        if (expert >= experts) continue;
        const part = gates[i]! / sum;
        choices[expert] = (choices[expert] ?? 0) + part;
        this.#add(names[expert]!, part / trace.length);
      }
    }
  }

  /** Share of choices each expert of a mixture got, over all layers and in each; zeros and no layers before the first. */
  of(key: string, experts: number): { share: number[]; layers: LayerShare[] } {
    const counts = (this.#choices.get(key) ?? []).map((layer) =>
      Array.from({ length: experts }, (_, e) => layer[e] ?? 0),
    );
    const all = Array.from({ length: experts }, (_, e) => counts.reduce((sum, layer) => sum + layer[e], 0));
    const layers = counts.map((layer) => {
      const share = normalise(layer);
      return { share, entropy: entropy(share) };
    });
    return { share: normalise(all), layers };
  }

  /** Whole tokens: the nearest to what the shares add up to. */
  adapterTokens(name: string): number {
    return Math.round(this.#tokens.get(name) ?? 0);
  }

  #add(name: string, tokens: number): void {
    this.#tokens.set(name, (this.#tokens.get(name) ?? 0) + tokens);
  }
}
