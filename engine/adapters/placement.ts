// Puts adapters and routers where the residency gave them pages, and says where each sequence's entries lie.
// A generation is reached by its key.

import { MoloraError } from "../../proto/errors.ts";
import type { DevicePool } from "../memory/device_pool.ts";
import type { Placement, Residency, ResidentNeed } from "../memory/residency.ts";
import type { RoutePlan } from "../scheduler/sequence.ts";
import type { PlacedRoute } from "../step/batch.ts";
import { packedRunBytes } from "./pack_adapter.ts";
import { gateWidth, packRouterLayer, routedEntries, routerRunBytes } from "./pack_router.ts";
import type { LoadedAdapter, LoadedGeneration, LoadedMixture } from "./registry.ts";

export class Bank {
  readonly #pool: DevicePool;
  readonly #residency: Residency;
  readonly #generations = new Map<string, LoadedGeneration>();
  /** Addresses of its experts that a router's run on the device was written with. */
  readonly #written = new Map<string, string>();

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
    this.#residency.drop(key);
  }

  /** What must be on the device for a generation to serve: a mixture's router and all its experts' adapters. */
  needs(generation: LoadedGeneration): ResidentNeed[] {
    if (generation.kind === "adapter") {
      return [{ key: generation.key, pages: this.#pool.pagesFor(packedRunBytes(generation.adapter)) }];
    }
    const router = { key: generation.key, pages: this.#pool.pagesFor(routerRunBytes(generation.mixture)) };
    return [router, ...adaptersOf(generation).flatMap((expert) => this.needs(expert))];
  }

  /** Writes what was just given pages; routers too whose experts lie elsewhere now. */
  upload(placements: readonly Placement[]): void {
    const fresh = placements.filter((placement) => placement.fresh);
    for (const { key, firstPage } of fresh) {
      const generation = this.#generation(key);
      if (generation.kind === "mixture") {
        this.#written.delete(key);
        continue;
      }
      for (const [layer, run] of generation.adapter.runs.entries()) this.#pool.write(layer, firstPage, run);
    }
    for (const { key } of placements) {
      const generation = this.#generation(key);
      if (generation.kind === "mixture") this.#writeRouter(generation);
    }
  }

  /** Where a sequence's entries lie. Its generations must be resident. */
  place(plan: RoutePlan): PlacedRoute {
    switch (plan.kind) {
      case "none":
        return { router: 0, entries: [], mostEntries: 0, adapters: 0, maxRank4: 0, gateWidth: 0 };
      case "fixed": {
        const entries = plan.entries.map(({ key, weight }) => ({ address: this.#address(key), weight }));
        const ranks = plan.entries.map(({ key }) => rank4Of(this.#generation(key)));
        const most = entries.length;
        return { router: 0, entries, mostEntries: most, adapters: most, maxRank4: Math.max(...ranks), gateWidth: 0 };
      }
      case "router": {
        const generation = this.#generation(plan.key);
        if (generation.kind !== "mixture") throw new MoloraError("internal", `${plan.key} is no mixture`);
        return {
          router: this.#address(plan.key),
          entries: [],
          mostEntries: routedEntries(generation.mixture.router),
          adapters: adaptersOf(generation).length,
          maxRank4: rank4Of(generation),
          gateWidth: gateWidth(generation.mixture),
        };
      }
    }
  }

  #writeRouter(generation: LoadedMixture): void {
    const addresses = generation.experts.map((expert) => (expert === undefined ? 0 : this.#address(expert.key)));
    const page = this.#residency.firstPage(generation.key)!;
    const written = `${page}: ${addresses.join(" ")}`;
    if (this.#written.get(generation.key) === written) return;
    this.#written.set(generation.key, written);
    for (const layer of this.#pool.layers.keys()) {
      const prototypes = generation.prototypes[layer] ?? [];
      this.#pool.write(layer, page, packRouterLayer(generation.mixture, layer, { prototypes, addresses }));
    }
  }

  #address(key: string): number {
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

function adaptersOf(mixture: LoadedMixture): LoadedAdapter[] {
  return mixture.experts.filter((expert) => expert !== undefined);
}

function rank4Of(generation: LoadedGeneration): number {
  if (generation.kind === "adapter") return generation.adapter.rank4;
  return Math.max(0, ...adaptersOf(generation).map(({ adapter }) => adapter.rank4));
}
