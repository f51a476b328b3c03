// Puts adapters and routers where the residency gave them pages, and says where each sequence's entries lie.
// A generation is reached by its key.

import type { SharedFactors } from "../../files/lora/compressed_adapter.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { DevicePool } from "../memory/device_pool.ts";
import type { Placement, Residency, ResidentNeed } from "../memory/residency.ts";
import type { RoutePlan } from "../scheduler/sequence.ts";
import type { PlacedRoute } from "../step/batch.ts";
import { adapterRank4, adapterRunBytes, packAdapterLayer } from "./pack_adapter.ts";
import { coreRunBytes, packCoreLayer, packSharedLayer, sharedRunBytes } from "./pack_compressed.ts";
import { gateWidth, packRouterLayer, routedEntries, routerRunBytes } from "./pack_router.ts";
import type { LoadedAdapter, LoadedGeneration, LoadedMixture } from "./registry.ts";

export class Bank {
  readonly #pool: DevicePool;
  readonly #residency: Residency;
  readonly #generations = new Map<string, LoadedGeneration>();
  /** Factors that adapters share, by the key they are resident under. */
  readonly #shared = new Map<string, SharedFactors>();
  /** Addresses of others, an adapter's factors or a router's experts, that a run on the device was written with. */
  readonly #written = new Map<string, string>();

  constructor(pool: DevicePool, residency: Residency) {
    this.#pool = pool;
    this.#residency = residency;
  }

  /** Makes a generation, and a mixture's experts, reachable by key. */
  add(generation: LoadedGeneration): void {
    this.#generations.set(generation.key, generation);
    const shared = sharedOf(generation);
    if (shared !== undefined) this.#shared.set(sharedKey(shared), shared);
    if (generation.kind === "mixture") for (const expert of adaptersOf(generation)) this.add(expert);
  }

  /** Forgets a generation that no request can reach any more, and its pages. */
  remove(key: string): void {
    const shared = sharedOf(this.#generations.get(key));
    this.#generations.delete(key);
    this.#written.delete(key);
    this.#residency.drop(key);
    if (shared === undefined || [...this.#generations.values()].some((other) => sharedOf(other)?.hash === shared.hash))
      return;
    this.#shared.delete(sharedKey(shared));
    this.#residency.drop(sharedKey(shared));
  }

  /** What must be on the device for a generation to serve: a mixture's router and all its experts' adapters, and what they share. */
  needs(generation: LoadedGeneration): ResidentNeed[] {
    if (generation.kind === "adapter") {
      const { compressed } = generation.adapter;
      if (compressed !== undefined) {
        const { shared } = compressed;
        return [
          { key: generation.key, pages: this.#pool.pagesFor(coreRunBytes(compressed)) },
          { key: sharedKey(shared), pages: this.#pool.pagesFor(sharedRunBytes(shared)) },
        ];
      }
      return [{ key: generation.key, pages: this.#pool.pagesFor(adapterRunBytes(generation.adapter)) }];
    }
    const router = { key: generation.key, pages: this.#pool.pagesFor(routerRunBytes(generation.mixture)) };
    return [router, ...adaptersOf(generation).flatMap((expert) => this.needs(expert))];
  }

  /** Writes what was just given pages; routers and cores too whose experts or factors lie elsewhere now. */
  upload(placements: readonly Placement[]): void {
    const fresh = placements.filter((placement) => placement.fresh);
    for (const { key, firstPage } of fresh) {
      const shared = this.#shared.get(key);
      if (shared !== undefined) {
        for (const [layer, modules] of shared.layers.entries())
          this.#pool.write(layer, firstPage, packSharedLayer(modules));
        continue;
      }
      const generation = this.#generation(key);
      if (generation.kind === "mixture" || generation.adapter.compressed !== undefined) {
        this.#written.delete(key);
        continue;
      }
      for (const [layer, modules] of generation.adapter.layers.entries()) {
        this.#pool.write(layer, firstPage, packAdapterLayer(modules));
      }
    }
    for (const { key } of placements) {
      const generation = this.#generations.get(key);
      if (generation?.kind === "mixture") this.#writeRouter(generation);
      else if (generation !== undefined) this.#writeCores(generation);
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
        const cores = plan.entries.some(({ key }) => hasCores(this.#generation(key)));
        return {
          router: 0,
          entries,
          mostEntries: most,
          adapters: most,
          maxRank4: Math.max(...ranks),
          cores,
          gateWidth: 0,
        };
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
          cores: hasCores(generation),
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
    const adapters = generation.experts.map((expert) => expert?.adapter);
    for (const layer of this.#pool.layers.keys()) {
      this.#pool.write(layer, page, packRouterLayer(generation.mixture, layer, { adapters, addresses }));
    }
  }

  /** The run of an adapter that shares its factors: it holds the way to them. */
  #writeCores({ key, adapter: { compressed } }: LoadedAdapter): void {
    if (compressed === undefined) return;
    const [own, factors] = [this.#address(key), this.#address(sharedKey(compressed.shared))];
    const written = `${own}: ${factors}`;
    if (this.#written.get(key) === written) return;
    this.#written.set(key, written);
    for (const layer of this.#pool.layers.keys()) {
      this.#pool.write(layer, this.#residency.firstPage(key)!, packCoreLayer(compressed, layer, factors - own));
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

function sharedOf(generation: LoadedGeneration | undefined): SharedFactors | undefined {
  return generation?.kind === "adapter" ? generation.adapter.compressed?.shared : undefined;
}

function sharedKey({ hash }: SharedFactors): string {
  return `factors/${hash}`;
}

function hasCores(generation: LoadedGeneration): boolean {
  return (generation.kind === "adapter" ? [generation] : adaptersOf(generation)).some(
    ({ adapter }) => adapter.compressed !== undefined,
  );
}

function rank4Of(generation: LoadedGeneration): number {
  if (generation.kind === "adapter") return adapterRank4(generation.adapter);
  return Math.max(0, ...adaptersOf(generation).map(({ adapter }) => adapterRank4(adapter)));
}
