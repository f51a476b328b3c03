// Watches how far the adapters that act at once agree in sign, while stacks, mixtures and recipes generate, and says so when that
// drops behind a new generation of one of them.

import { agreementOf, type PairSigns } from "../../composition/agreement/agreement.ts";
import type { AgreementAlert, AgreementReport, Generation } from "../../proto/api.ts";
import type { Registry } from "../adapters/registry.ts";
import { SignPairs } from "../adapters/sign_pairs.ts";
import type { RowResult, RowTrace } from "../step/results.ts";
import { type AgreementSettings, Group, groupName } from "./agreement_group.ts";
import type { LoopObserver } from "./counters.ts";
import type { Ticket } from "./ticket.ts";

/** Stacks and mixtures that are remembered, the last used. */
const MOST_GROUPS = 256;
/** Alerts that are told of in the engine's stats. */
const MOST_ALERTS = 16;

/** Stands for a pair that is not worked out yet. */
const UNKNOWN: PairSigns = { same: new Float64Array(0), opposed: new Float64Array(0) };

/** What a ticket's tokens are watched by. */
interface Watched {
  group: Group;
  /** The generations that act, as one text. */
  version: string;
  generations: readonly Generation[];
  /** By the index of an expert in the trace; undefined adds nothing. */
  keys: readonly (string | undefined)[];
  /** [i · keys + j], j < i: filled as pairs are met. */
  pairs: (PairSigns | undefined)[];
  /** By layer, the same for every token of a stack; undefined: not known yet. */
  fixed: Float64Array | undefined;
}

export class AgreementWatch implements LoopObserver {
  readonly #layers: number;
  readonly #registry: Registry;
  readonly #settings: AgreementSettings;
  readonly #pairs: SignPairs;
  readonly #groups = new Map<string, Group>();
  readonly #tickets = new WeakMap<Ticket, Watched | undefined>();
  readonly #alerts: AgreementAlert[] = [];
  readonly #listeners = new Set<(alert: AgreementAlert) => void>();

  constructor(layers: number, registry: Registry, settings: AgreementSettings) {
    this.#layers = layers;
    this.#registry = registry;
    this.#settings = settings;
    this.#pairs = new SignPairs((key) => {
      const found = registry.generation(key);
      return found?.kind === "adapter" ? found.adapter : undefined;
    });
  }

  /** Nobody can reach the generation any more. */
  forget(key: string): void {
    this.#pairs.forget(key);
  }

  /** The caller's listener hears of every drop. Returns what takes it away again. */
  onAlert(listener: (alert: AgreementAlert) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get alerts(): readonly AgreementAlert[] {
    return this.#alerts;
  }

  /** What was seen of each stack and mixture, the last used last. */
  reports(): AgreementReport[] {
    return [...this.#groups.values()].flatMap((group) => group.report() ?? []);
  }

  tokenSampled(ticket: Ticket, { trace }: RowResult): void {
    const watched = this.#watched(ticket);
    if (watched === undefined) return;
    const layers =
      ticket.sequence.routePlan.kind === "fixed" ? this.#fixed(watched, ticket) : this.#routed(watched, trace);
    if (layers === undefined) return;
    ticket.agreed(layers);
    const { group, version, generations } = watched;
    const alert = group.add(layers, version, generations, this.#settings);
    if (alert === undefined) return;
    this.#alerts.push(alert);
    this.#alerts.splice(0, this.#alerts.length - MOST_ALERTS);
    for (const listener of this.#listeners) listener(alert);
  }

  #watched(ticket: Ticket): Watched | undefined {
    if (this.#tickets.has(ticket)) return this.#tickets.get(ticket);
    const watched = this.#begin(ticket);
    this.#tickets.set(ticket, watched);
    return watched;
  }

  /** Undefined where no two adapters can act at once. */
  #begin({ sequence: { routePlan }, accepted }: Ticket): Watched | undefined {
    if (routePlan.kind === "none") return undefined;
    const stacked = (routePlan.kind === "fixed" ? routePlan.entries : (routePlan.beside ?? [])).map(({ key }) => key);
    const mixture = routePlan.kind === "router" ? this.#registry.generation(routePlan.key) : undefined;
    const experts = mixture?.kind === "mixture" ? mixture.experts.map((expert) => expert?.key) : [];
    const keys = [...experts, ...stacked];
    if (keys.filter((key) => key !== undefined).length < 2) return undefined;
    const named = groupName(accepted);
    const known = this.#groups.get(named.id);
    const group = known ?? new Group(named, this.#layers);
    this.#groups.delete(named.id);
    this.#groups.set(named.id, group);
    for (const oldest of this.#groups.keys()) {
      if (this.#groups.size <= MOST_GROUPS) break;
      this.#groups.delete(oldest);
    }
    const version = [routePlan.kind === "router" ? routePlan.key : "", ...stacked].join(" ");
    return { group, version, generations: accepted.generations, keys, pairs: [], fixed: undefined };
  }

  #fixed(watched: Watched, { sequence: { routePlan } }: Ticket): Float64Array | undefined {
    if (watched.fixed !== undefined || routePlan.kind !== "fixed") return watched.fixed;
    const gates = routePlan.entries.map(({ weight }) => weight);
    const all = { experts: gates.map((_, i) => i), gates };
    watched.fixed = this.#layersOf(() => all, watched);
    return watched.fixed;
  }

  #routed(watched: Watched, trace: RowTrace | undefined): Float64Array | undefined {
    return trace && this.#layersOf((layer) => trace[layer], watched);
  }

  /** By layer; NaN where no two act. Undefined where a pair is not worked out yet, or none acts anywhere. */
  #layersOf(chosen: (layer: number) => RowTrace[number], watched: Watched): Float64Array | undefined {
    const { keys } = watched;
    const layers = new Float64Array(this.#layers).fill(Number.NaN);
    let [any, known] = [false, true];
    for (let layer = 0; layer < this.#layers && known; layer++) {
      const { experts, gates } = chosen(layer);
      if (experts.length < 2) continue;
      const acting = experts.flatMap((expert, i) => (keys[expert] === undefined ? [] : [i]));
      const pairOf = (i: number, j: number) => {
        const pair = this.#pairOf(watched, experts[acting[i]], experts[acting[j]]);
        known &&= pair !== undefined;
        return pair ?? UNKNOWN;
      };
      const value = agreementOf(
        acting.map((i) => gates[i]),
        pairOf,
        layer,
      );
      if (value === undefined) continue;
      layers[layer] = value;
      any = true;
    }
    return any && known ? layers : undefined;
  }

  /** Of two experts that add something. */
  #pairOf({ keys, pairs }: Watched, i: number, j: number): PairSigns | undefined {
    const at = Math.max(i, j) * keys.length + Math.min(i, j);
    pairs[at] ??= this.#pairs.get(keys[i]!, keys[j]!);
    return pairs[at];
  }
}
