// Puts adapters and routers where the residency gave them pages, and says where each sequence's entries lie.
// A generation is reached by its key.

import { sliced } from "../../files/slices.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { DevicePool } from "../memory/device_pool.ts";
import type { Placement, Residency, ResidentNeed } from "../memory/residency.ts";
import type { RoutePlan } from "../scheduler/sequence.ts";
import type { PlacedRoute } from "../step/batch.ts";
import { packedRunBytes } from "./pack_adapter.ts";
import { gateWidth, packRouterLayer, routedEntries, routerRunBytes } from "./pack_router.ts";
import type { LoadedAdapter, LoadedGeneration, LoadedMixture } from "./registry.ts";

const NO_ROUTE: PlacedRoute = { router: 0, entries: [], mostEntries: 0, adapters: 0, maxRank4: 0, gateWidth: 0 };

/** What is left to write of a generation, a layer at a time. */
type Writing = Generator<void, void>;

export class Bank {
  readonly #pool: DevicePool;
  readonly #residency: Residency;
  readonly #generations = new Map<string, LoadedGeneration>();
  /** Addresses of its experts that a router's run on the device was written with. */
  readonly #written = new Map<string, string>();
  /** What is being written ahead of use. */
  readonly #ahead = new Map<string, Writing>();

  constructor(pool: DevicePool, residency: Residency) {
    this.#pool = pool;
    this.#residency = residency;
  }

  /** Makes a generation, and a mixture's experts, reachable by key. */
  add(generation: LoadedGeneration): void {
    this.#generations.set(generation.key, generation);
    if (generation.kind === "mixture") for (const expert of adaptersOf(generation)) this.add(expert);
  }

  /** Forgets a generation that no request can reach any more, and its pages. */
  remove(key: string): void {
    this.#generations.delete(key);
    this.#written.delete(key);
    this.#ahead.delete(key);
    this.#residency.drop(key);
  }

  /** Puts a generation on the device before anybody asks for it, while there is room to spare. */
  async placeAhead(generation: LoadedGeneration): Promise<void> {
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

  /** What must be on the device for a generation to serve: a mixture's router and all its experts' adapters. */
  needs(generation: LoadedGeneration): ResidentNeed[] {
    if (generation.kind === "adapter") {
      return [{ key: generation.key, pages: this.#pool.pagesFor(packedRunBytes(generation.adapter)) }];
    }
    const router = { key: generation.key, pages: this.#pool.pagesFor(routerRunBytes(generation.mixture)) };
    return [router, ...adaptersOf(generation).flatMap((expert) => this.needs(expert))];
  }

  /** Writes what was just given pages, at once: a step is about to read it. */
  upload(placements: readonly Placement[]): void {
    const fresh = placements.filter((placement) => placement.fresh).map(({ key }) => this.#generation(key));
    for (const generation of fresh) {
      this.#written.delete(generation.key);
      this.#ahead.delete(generation.key);
      if (generation.kind === "adapter") finish(this.#writing(generation));
    }
    for (const generation of fresh) if (generation.kind === "mixture") this.#settleRouter(generation);
  }

  /** Where the entries of a sequence lie that act at a position. Its generations must be resident. */
  place(plan: RoutePlan, position = 0): PlacedRoute {
    switch (plan.kind) {
      case "none":
        return NO_ROUTE;
      case "fixed": {
        const acting = plan.entries.filter(({ from = 0 }) => from <= position);
        if (acting.length === 0) return NO_ROUTE;
        const entries = acting.map(({ key, weight }) => ({ address: this.#address(key), weight }));
        const ranks = acting.map(({ key }) => rank4Of(this.#generation(key)));
        const most = entries.length;
        return { router: 0, entries, mostEntries: most, adapters: most, maxRank4: Math.max(...ranks), gateWidth: 0 };
      }
      case "router": {
        const generation = this.#generation(plan.key);
        if (generation.kind !== "mixture") throw new MoloraError("internal", `${plan.key} is no mixture`);
        for (const expert of adaptersOf(generation)) this.#address(expert.key);
        const router = this.#address(plan.key);
        this.#settleRouter(generation);
        return {
          router,
          entries: [],
          mostEntries: routedEntries(generation.mixture.router),
          adapters: adaptersOf(generation).length,
          maxRank4: rank4Of(generation),
          gateWidth: gateWidth(generation.mixture),
        };
      }
    }
  }

  /** A router is written anew wherever it or one of its experts lies elsewhere than when it was. */
  #settleRouter(generation: LoadedMixture): void {
    if (this.#written.get(generation.key) !== this.#whereabouts(generation)) finish(this.#writing(generation));
  }

  /** Writes a generation where it lies now, a layer at a time; ends early once it lies there no more. */
  *#writing(generation: LoadedGeneration): Writing {
    const page = this.#residency.firstPage(generation.key);
    const experts = generation.kind === "mixture" ? adaptersOf(generation) : [];
    // Written ahead, it may have lost its pages before its turn came, or an expert has.
    if (page === undefined || experts.some(({ key }) => this.#residency.firstPage(key) === undefined)) return;
    const addresses = generation.kind === "mixture" ? this.#expertAddresses(generation) : [];
    if (generation.kind === "mixture") this.#written.set(generation.key, this.#whereabouts(generation));
    const written = this.#written.get(generation.key);
    const lies = () =>
      this.#residency.firstPage(generation.key) === page && this.#written.get(generation.key) === written;
    for (const layer of this.#pool.layers.keys()) {
      if (!lies()) return;
      this.#pool.write(layer, page, runOf(generation, layer, addresses));
      yield;
    }
  }

  #whereabouts(mixture: LoadedMixture): string {
    return `${this.#residency.firstPage(mixture.key)}: ${this.#expertAddresses(mixture).join(" ")}`;
  }

  #expertAddresses(mixture: LoadedMixture): number[] {
    return mixture.experts.map((expert) => (expert === undefined ? 0 : this.#addressOf(expert.key)));
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

  #generation(key: string): LoadedGeneration {
    const generation = this.#generations.get(key);
    if (generation === undefined) throw new MoloraError("internal", `${key} is not loaded`);
    return generation;
  }
}

function finish(writing: Writing): void {
  while (!writing.next().done);
}

function runOf(generation: LoadedGeneration, layer: number, addresses: readonly number[]): Float32Array<ArrayBuffer> {
  if (generation.kind === "adapter") return generation.adapter.runs[layer]!;
  return packRouterLayer(generation.mixture, layer, { prototypes: generation.prototypes[layer] ?? [], addresses });
}

function adaptersOf(mixture: LoadedMixture): LoadedAdapter[] {
  return mixture.experts.filter((expert) => expert !== undefined);
}

function rank4Of(generation: LoadedGeneration): number {
  if (generation.kind === "adapter") return generation.adapter.rank4;
  return Math.max(0, ...adaptersOf(generation).map(({ adapter }) => adapter.rank4));
}
