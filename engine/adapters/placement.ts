// Puts adapters and routers where the residency gave them pages, and says where each sequence's entries lie.
// A generation is reached by its key.

import type { SharedFactors } from "../../files/lora/shared_factors.ts";
import { sliced } from "../../files/slices.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import type { DevicePool } from "../memory/device_pool.ts";
import type { Placement, Residency, ResidentNeed } from "../memory/residency.ts";
import type { FixedEntry, RoutePlan } from "../scheduler/sequence.ts";
import type { PlacedRoute } from "../step/batch.ts";
import type { Run } from "./factors/format.ts";
import { heldBy, type LoadedAdapter, type LoadedGeneration, type LoadedMixture } from "./generation.ts";
import { packedRunBytes } from "./pack_adapter.ts";
import { packSharedLayer, relocated, sharedRunBytes } from "./pack_compressed.ts";
import { type GateForm, gateWidth, packRouterLayer, routedEntries, routerRunBytes } from "./pack_router.ts";

/** What adapters of a compressed set share: it lies on the device as a generation of its own. */
interface LoadedFactors {
  kind: "factors";
  key: string;
  factors: SharedFactors;
  dtype: AdapterDtype;
}

/** A recipe has nothing of its own to place. */
type Placeable = LoadedAdapter | LoadedMixture | LoadedFactors;
const NO_ROUTE: PlacedRoute = { router: 0, entries: [], mostEntries: 0, adapters: 0, maxRank4: 0, gateWidth: 0 };

/** What is left to write of a generation, a layer at a time. */
type Writing = Generator<void, void>;

export class Bank {
  readonly #pool: DevicePool;
  readonly #residency: Residency;
  readonly #generations = new Map<string, Placeable>();
  /** Addresses of its experts that a router's run on the device was written with. */
  readonly #written = new Map<string, string>();
  /** What is being written ahead of use. */
  readonly #ahead = new Map<string, Writing>();

  constructor(pool: DevicePool, residency: Residency) {
    this.#pool = pool;
    this.#residency = residency;
  }

  /** Makes a generation, and what it holds, reachable by key. */
  add(generation: LoadedGeneration): void {
    for (const part of heldBy(generation)) this.add(part);
    if (generation.kind === "recipe") return;
    this.#generations.set(generation.key, generation);
    const factors = factorsOf(generation);
    if (factors !== undefined) this.#generations.set(factors.key, factors);
  }

  /** Forgets a generation that no request can reach any more, and its pages. */
  remove(key: string): void {
    const shared = this.#generations.get(key);
    this.#forget(key);
    const factors = shared && factorsOf(shared)?.key;
    if (factors === undefined) return;
    if (![...this.#generations.values()].some((other) => factorsOf(other)?.key === factors)) this.#forget(factors);
  }

  /** Whether a generation stays on the device as long as others can give way, with what it needs there. */
  pin(generation: LoadedGeneration, pinned: boolean): void {
    for (const { key } of this.needs(generation)) {
      if (pinned) this.#residency.pin(key);
      else this.#residency.unpin(key);
    }
  }

  #forget(key: string): void {
    this.#residency.unpin(key);
    this.#generations.delete(key);
    this.#written.delete(key);
    this.#ahead.delete(key);
    this.#residency.drop(key);
  }

  /** Puts a generation on the device before anybody asks for it, while there is room to spare. */
  async placeAhead(generation: LoadedGeneration): Promise<void> {
    if (generation.kind === "recipe") {
      for (const part of heldBy(generation)) await this.placeAhead(part);
      return;
    }
    // Another load may have taken its place in the host's memory already.
    if (!this.#generations.has(generation.key)) return;
    const placed = this.#residency.placeIdle(this.needs(generation));
    const writings = placed.map(({ key }) => {
      const writing = this.#writing(this.#generation(key));
      this.#ahead.set(key, writing);
      return writing;
    });
    for (const writing of writings) await sliced(writing);
  }

  /** What must be on the device for a generation to serve: a mixture's router and its experts' adapters, and what those share. */
  needs(generation: LoadedGeneration): ResidentNeed[] {
    if (generation.kind === "recipe") return heldBy(generation).flatMap((part) => this.needs(part));
    if (generation.kind === "adapter") {
      const own = { key: generation.key, pages: this.#pool.pagesFor(packedRunBytes(generation.adapter)) };
      const shared = factorsOf(generation);
      if (shared === undefined) return [own];
      return [own, { key: shared.key, pages: this.#pool.pagesFor(sharedRunBytes(shared.factors, shared.dtype)) }];
    }
    const router = {
      key: generation.key,
      pages: this.#pool.pagesFor(routerRunBytes(generation.mixture, gateForm(generation))),
    };
    return [router, ...adaptersOf(generation).flatMap((expert) => this.needs(expert))];
  }

  /** Writes what was just given pages, at once: a step is about to read it. */
  upload(placements: readonly Placement[]): void {
    const fresh = placements.filter((placement) => placement.fresh).map(({ key }) => this.#generation(key));
    for (const generation of fresh) {
      this.#written.delete(generation.key);
      this.#ahead.delete(generation.key);
      if (!pointsElsewhere(generation)) finish(this.#writing(generation));
    }
    for (const generation of fresh) if (pointsElsewhere(generation)) this.#settle(generation);
  }

  /** Where the entries of a sequence lie that act at a position. Its generations must be resident. */
  place(plan: RoutePlan, position = 0): PlacedRoute {
    switch (plan.kind) {
      case "none":
        return NO_ROUTE;
      case "fixed":
        return this.#stacked(plan.entries.filter(({ from = 0 }) => from <= position));
      case "router": {
        const generation = this.#generation(plan.key);
        if (generation.kind !== "mixture") throw new MoloraError("internal", `${plan.key} is no mixture`);
        for (const expert of adaptersOf(generation)) this.#adapterAddress(expert.key);
        const router = this.#address(plan.key);
        this.#settle(generation);
        const beside = this.#stacked(plan.beside ?? []);
        return {
          router,
          entries: beside.entries,
          firstExpert: generation.experts.length,
          mostEntries: routedEntries(generation.mixture.router) + beside.mostEntries,
          adapters: adaptersOf(generation).length + beside.adapters,
          maxRank4: Math.max(rank4Of(generation), beside.maxRank4),
          cores: hasCores(generation) || (beside.cores ?? false),
          experts: hasExperts(generation) || (beside.experts ?? false),
          gateWidth: gateWidth(generation.mixture),
        };
      }
    }
  }

  #stacked(acting: readonly FixedEntry[]): PlacedRoute {
    if (acting.length === 0) return NO_ROUTE;
    const entries = acting.map(({ key, weight }) => ({ address: this.#adapterAddress(key), weight }));
    const ranks = acting.map(({ key }) => rank4Of(this.#generation(key)));
    const most = entries.length;
    const cores = acting.some(({ key }) => hasCores(this.#generation(key)));
    const experts = acting.some(({ key }) => hasExperts(this.#generation(key)));
    const sizes = { mostEntries: most, adapters: most, maxRank4: Math.max(...ranks), gateWidth: 0 };
    return { router: 0, entries, ...sizes, cores, experts };
  }

  /** What points elsewhere is written anew wherever it, or what it points to, lies elsewhere than when it was. */
  #settle(generation: Placeable): void {
    if (this.#written.get(generation.key) !== this.#whereabouts(generation)) finish(this.#writing(generation));
  }

  /** Writes a generation where it lies now, a layer at a time; ends early once it lies there no more. */
  *#writing(generation: Placeable): Writing {
    const page = this.#residency.firstPage(generation.key);
    // Written ahead, it may have lost its pages before its turn came, or what it points to has.
    if (page === undefined || keysPointedTo(generation).some((key) => this.#residency.firstPage(key) === undefined))
      return;
    const own = this.#pool.address(page);
    const addresses = this.#pointedTo(generation);
    if (pointsElsewhere(generation)) this.#written.set(generation.key, this.#whereabouts(generation));
    const written = this.#written.get(generation.key);
    const lies = () =>
      this.#residency.firstPage(generation.key) === page && this.#written.get(generation.key) === written;
    for (const layer of this.#pool.layers.keys()) {
      if (!lies()) return;
      this.#pool.write(layer, page, runOf(generation, layer, own, addresses));
      yield;
    }
  }

  #whereabouts(generation: Placeable): string {
    return `${this.#residency.firstPage(generation.key)}: ${this.#pointedTo(generation).join(" ")}`;
  }

  /** Addresses of a mixture's experts, or of the factors that an adapter shares. */
  #pointedTo(generation: Placeable): number[] {
    if (generation.kind !== "mixture") {
      const shared = factorsOf(generation);
      return shared === undefined ? [] : [this.#addressOf(shared.key)];
    }
    return generation.experts.map((expert) => (expert === undefined ? 0 : this.#addressOf(expert.key)));
  }

  /** Of an adapter that a step is about to read, with what it shares. */
  #adapterAddress(key: string): number {
    const generation = this.#generation(key);
    const shared = factorsOf(generation);
    if (shared !== undefined) this.#address(shared.key);
    const address = this.#address(key);
    if (shared !== undefined) this.#settle(generation);
    return address;
  }

  /** Of what a step is about to read. */
  #address(key: string): number {
    const ahead = this.#ahead.get(key);
    if (ahead !== undefined) finish(ahead);
    this.#ahead.delete(key);
    return this.#addressOf(key);
  }

  #addressOf(key: string): number {
    const page = this.#residency.firstPage(key);
    if (page === undefined) throw new MoloraError("internal", `${key} is not on the device`);
    return this.#pool.address(page);
  }

  #generation(key: string): Placeable {
    const generation = this.#generations.get(key);
    if (generation === undefined) throw new MoloraError("internal", `${key} is not loaded`);
    return generation;
  }
}

function finish(writing: Writing): void {
  while (!writing.next().done);
}

/** `own`: where it lies; `addresses`: of what it points to. */
function runOf(generation: Placeable, layer: number, own: number, addresses: readonly number[]): Run {
  if (generation.kind === "factors") return packSharedLayer(generation.factors.layers[layer]!, generation.dtype);
  if (generation.kind === "adapter") {
    const run = generation.adapter.runs[layer]!;
    return factorsOf(generation) === undefined ? run : relocated(run, addresses[0]! - own);
  }
  const { prototypes, gates } = generation.prepared;
  return packRouterLayer(generation.mixture, layer, {
    prototypes: prototypes[layer] ?? [],
    gate: gates?.[layer],
    addresses,
  });
}

function gateForm({ prepared }: LoadedMixture): GateForm {
  return prepared.gates === undefined ? "f32" : "q8_0";
}

function adaptersOf(mixture: LoadedMixture): LoadedAdapter[] {
  return mixture.experts.filter((expert) => expert !== undefined);
}

function factorsOf(generation: Placeable): LoadedFactors | undefined {
  if (generation.kind !== "adapter" || generation.adapter.compressed === undefined) return undefined;
  const { compressed, dtype } = generation.adapter;
  return { kind: "factors", key: `factors/${compressed.shared.hash}`, factors: compressed.shared, dtype };
}

/** Keys of the runs whose addresses its own holds. */
function keysPointedTo(generation: Placeable): string[] {
  if (generation.kind === "mixture") return adaptersOf(generation).map(({ key }) => key);
  const shared = factorsOf(generation);
  return shared === undefined ? [] : [shared.key];
}

/** Whether its run holds addresses of other runs. */
function pointsElsewhere(generation: Placeable): boolean {
  return generation.kind === "mixture" || factorsOf(generation) !== undefined;
}

function hasCores(generation: Placeable): boolean {
  if (generation.kind === "mixture") return adaptersOf(generation).some(hasCores);
  return factorsOf(generation) !== undefined;
}

/** Whether it adds to the model's own experts. */
function hasExperts(generation: Placeable): boolean {
  if (generation.kind === "mixture") return adaptersOf(generation).some(hasExperts);
  return generation.kind === "adapter" && generation.adapter.experts;
}

function rank4Of(generation: Placeable): number {
  if (generation.kind === "factors") return 0;
  if (generation.kind === "adapter") return generation.adapter.rank4;
  return Math.max(0, ...adaptersOf(generation).map(({ adapter }) => adapter.rank4));
}
