// Gives what was read its name: room in host memory, its tables on the device, its place in registry and catalogue.

import type { MixtureReport } from "../../proto/api.ts";
import { checkTables } from "../../router/experts.ts";
import type { Mixture } from "../../router/mixture.ts";
import type { Capacity } from "../model/capacity.ts";
import type { Catalogue } from "./catalogue.ts";
import { checkFits } from "./limits.ts";
import type { PackedAdapter } from "./pack_adapter.ts";
import type { Bank } from "./placement.ts";
import {
  adapterKey,
  type ExpertAdapter,
  type LoadedGeneration,
  mixtureKey,
  type Prototypes,
  type Registry,
} from "./registry.ts";
import { adapterHostBytes, routerHostBytes, type Shelf } from "./shelf.ts";
import type { Vocabularies } from "./vocabularies.ts";

/** What is known of a load beside the name: where it came from, and what it is to be. */
export interface Origin {
  path: string | undefined;
  /** A source said what the name stands for. */
  found: boolean;
  pinned: boolean;
}

export interface KeeperParts {
  capacity: Capacity;
  registry: Registry;
  bank: Bank;
  vocabularies: Vocabularies;
  catalogue: Catalogue;
  shelf: Shelf;
}

/** A mixture with all that its experts are. */
export interface ReadMixture {
  mixture: Mixture;
  adapters: readonly ExpertAdapter[];
  prototypes: Prototypes;
  report: MixtureReport;
}

/** Its methods throw MoloraError `out_of_pages` where there is no room, `bad_request` where the name is of another kind. */
export class Keeper {
  readonly #parts: KeeperParts;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Its tables are on the device before any request can name it. */
  async keepAdapter({ vocabulary, ...adapter }: PackedAdapter, origin: Origin): Promise<void> {
    if (vocabulary === undefined) {
      await this.#register(adapter, origin, () => true);
      return;
    }
    const { vocabularies } = this.#parts;
    const key = adapterKey(adapter);
    const { size, hash } = vocabulary;
    let done = false;
    // Making room for it may have taken another name's adapter of the same content, and the tables with it.
    while (!done) {
      const fresh = !vocabularies.has(key);
      if (fresh) await vocabularies.add(key, vocabulary);
      try {
        const kept = { ...adapter, vocabulary: { size, hash }, tableBytes: vocabularies.bytes(key) };
        done = await this.#register(kept, origin, () => vocabularies.has(key));
      } catch (error) {
        if (fresh) vocabularies.remove(key);
        throw error;
      }
    }
  }

  /** Keeps a mixture, and its experts as long; the tables that they share are its own too. */
  async keepMixture(read: ReadMixture, origin: Origin): Promise<void> {
    const { vocabularies } = this.#parts;
    checkTables(read.mixture, read.adapters);
    const change = read.adapters.map((adapter) => adapter?.vocabulary).find((one) => one !== undefined);
    if (change === undefined) return this.#registerMixture(read, origin);
    const key = mixtureKey(read.mixture, read.adapters);
    const fresh = !vocabularies.has(key);
    const full = read.adapters.find((adapter) => adapter?.vocabulary?.embedding ?? adapter?.vocabulary?.head);
    if (fresh) await vocabularies.add(key, full?.vocabulary ?? change);
    const tableBytes = vocabularies.bytes(key);
    const { size, hash } = change;
    const adapters = read.adapters.map(
      (adapter): ExpertAdapter =>
        adapter && (adapter.vocabulary ? { ...adapter, vocabulary: { size, hash }, tableBytes } : adapter),
    );
    try {
      await this.#registerMixture({ ...read, adapters }, origin);
    } catch (error) {
      if (fresh) vocabularies.remove(key);
      throw error;
    }
  }

  async #registerMixture({ mixture, adapters, prototypes, report }: ReadMixture, origin: Origin): Promise<void> {
    const { registry, bank, catalogue, shelf } = this.#parts;
    const held = new Set(registry.generations().map(({ hash }) => hash));
    const fresh = new Map(
      adapters.flatMap((adapter) => (adapter && !held.has(adapter.hash) ? [[adapter.hash, adapter]] : [])),
    );
    const bytes = [...fresh.values()].reduce(
      (sum, adapter) => sum + adapterHostBytes(adapter),
      routerHostBytes(mixture, prototypes),
    );
    const { name } = mixture;
    await shelf.withRoom(name, bytes, () => {
      this.#checkKind(name, "mixture", origin);
      const loaded = registry.addMixture(mixture, adapters, (generation) => this.#checkFits(generation), prototypes);
      const { path, found, pinned } = origin;
      catalogue.set({ kind: "mixture", report, path, found, pinned });
      bank.add(loaded);
      // Begun in the same turn: a moment later others may have taken its place.
      return bank.placeAhead(loaded);
    });
  }

  /** False, and nothing done, where it is not ready once there is room. */
  async #register(adapter: PackedAdapter, origin: Origin, isReady: () => boolean): Promise<boolean> {
    const { bank, registry, catalogue, shelf } = this.#parts;
    const { name, report } = adapter;
    return shelf.withRoom(name, adapterHostBytes(adapter), async () => {
      if (!isReady()) return false;
      this.#checkKind(name, "adapter", origin);
      const loaded = registry.addAdapter(adapter, (generation) => this.#checkFits(generation));
      const { path, found, pinned } = origin;
      catalogue.set({ kind: "adapter", report, path, found, pinned });
      bank.add(loaded);
      await bank.placeAhead(loaded);
      return true;
    });
  }

  /** A source may give a name another meaning than it had; whoever loads something explicitly may not. */
  #checkKind(name: string, kind: "adapter" | "mixture", { found }: Origin): void {
    const { catalogue } = this.#parts;
    if (found && catalogue.get(name)?.found) catalogue.delete(name);
    catalogue.checkKind(name, kind);
  }

  #checkFits(generation: LoadedGeneration): void {
    const { bank, capacity } = this.#parts;
    checkFits(generation, bank.needs(generation), capacity);
  }
}
