// Gives what was read its name: room in host memory, its tables on the device, its place in registry and catalogue.

import type { VocabularyChange } from "../../files/lora/vocabulary.ts";
import type { MixtureReport } from "../../proto/api.ts";
import type { Capacity } from "../model/capacity.ts";
import type { Catalogue } from "./catalogue.ts";
import {
  adapterKey,
  allHeldBy,
  heldBy,
  type LoadedGeneration,
  type LoadedMixture,
  type LoadedRecipe,
} from "./generation.ts";
import { checkFits } from "./limits.ts";
import type { PackedAdapter } from "./pack_adapter.ts";
import type { Bank } from "./placement.ts";
import type { Origin } from "./read_routing.ts";
import type { Registry } from "./registry.ts";
import { adapterHostBytes, hostBytes, type Shelf } from "./shelf.ts";
import type { Vocabularies } from "./vocabularies.ts";

export interface KeeperParts {
  capacity: Capacity;
  registry: Registry;
  bank: Bank;
  vocabularies: Vocabularies;
  catalogue: Catalogue;
  shelf: Shelf;
}

/** Its methods throw MoloraError `out_of_pages` where there is no room, `bad_request` where the name is of another kind. */
export class Keeper {
  readonly #parts: KeeperParts;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Its tables are on the device before any request can name it. */
  async keepAdapter(adapter: PackedAdapter, origin: Origin): Promise<void> {
    const { vocabulary } = adapter;
    if (vocabulary === undefined) {
      await this.#register(adapter, origin, () => true);
      return;
    }
    const { vocabularies } = this.#parts;
    const key = adapterKey(adapter);
    let done = false;
    // Making room for it may have taken another name's adapter of the same content, and the tables with it.
    while (!done) {
      const fresh = !vocabularies.has(key);
      if (fresh) await vocabularies.add(key, vocabulary);
      try {
        done = await this.#register(this.#withoutTables(adapter, key), origin, () => vocabularies.has(key));
      } catch (error) {
        if (fresh) vocabularies.remove(key);
        throw error;
      }
    }
  }

  /** Keeps a mixture or a recipe, and what it holds as long; the tables that its adapters share are its own too. */
  async keepRouting(loaded: LoadedMixture | LoadedRecipe, report: MixtureReport, origin: Origin): Promise<void> {
    const fresh = await this.#holdTables(loaded);
    try {
      await this.#registerRouting(loaded, report, origin);
    } catch (error) {
      for (const key of fresh) this.#parts.vocabularies.remove(key);
      throw error;
    }
  }

  /** Gives tables to a generation and to what it holds, where they have some. Keys that had none before. */
  async #holdTables(generation: LoadedGeneration): Promise<string[]> {
    const { vocabularies } = this.#parts;
    const { key } = generation;
    const fresh: string[] = [];
    for (const part of heldBy(generation)) fresh.push(...(await this.#holdTables(part)));
    const change = vocabularyOf(generation);
    if (change !== undefined && !vocabularies.has(key)) {
      await vocabularies.add(key, change);
      fresh.push(key);
    }
    if (generation.kind === "adapter") generation.adapter = this.#withoutTables(generation.adapter, key);
    return fresh;
  }

  /** What is kept of an adapter whose tables are on the device under a key. */
  #withoutTables(adapter: PackedAdapter, key: string): PackedAdapter {
    if (adapter.vocabulary === undefined) return adapter;
    const { size, hash } = adapter.vocabulary;
    return { ...adapter, vocabulary: { size, hash }, tableBytes: this.#parts.vocabularies.bytes(key) };
  }

  async #registerRouting(loaded: LoadedMixture | LoadedRecipe, report: MixtureReport, origin: Origin): Promise<void> {
    const { registry, bank, catalogue, shelf } = this.#parts;
    const { name } = loaded;
    const held = new Set(registry.generations().map(({ key }) => key));
    const fresh = [loaded, ...allHeldBy(loaded)].filter(({ key }) => !held.has(key));
    const bytes = fresh.reduce((sum, generation) => sum + hostBytes(generation), 0);
    await shelf.withRoom(name, bytes, () => {
      this.#checkKind(name, "mixture", origin);
      registry.add(loaded, (generation) => this.#checkFits(generation));
      const { path, found, pinned } = origin;
      catalogue.set({ kind: "mixture", report, path, found, pinned });
      bank.add(loaded);
      bank.pin(loaded, pinned);
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
      bank.pin(loaded, pinned);
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

/** A recipe has none: what it stacks and what it routes have their own. */
function vocabularyOf(generation: LoadedGeneration): VocabularyChange | undefined {
  if (generation.kind === "adapter") return generation.adapter.vocabulary;
  if (generation.kind === "recipe") return undefined;
  return generation.experts.map((expert) => expert?.adapter.vocabulary).find((change) => change !== undefined);
}
