// Loads adapters and mixtures by path into the registry, on a running engine, and unloads them.
// What a loaded generation needs on the device, the bank knows.

import type { ModelConfig } from "../../files/families/config.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { sliced } from "../../files/slices.ts";
import type { SourceFolder } from "../../files/source.ts";
import type { AdapterReport, LoadAdapterOptions, MixtureReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { reportMixture } from "../../router/experts.ts";
import { readMixture } from "../../router/format.ts";
import type { Mixture, MixtureExpert } from "../../router/mixture.ts";
import type { Host } from "../host.ts";
import type { Capacity } from "../model/capacity.ts";
import { type PackedAdapter, packAdapter } from "./pack_adapter.ts";
import { prototypesOf } from "./pack_prototypes.ts";
import { gateWidth, routedEntries } from "./pack_router.ts";
import type { Bank } from "./placement.ts";
import type { ExpertAdapter, LoadedGeneration, Registry } from "./registry.ts";

export interface LibraryParts {
  host: Host;
  config: ModelConfig;
  capacity: Capacity;
  registry: Registry;
  bank: Bank;
}

/**
 * Loads and unloads happen one after another, in the order they were asked for: who unloads a name that is still being
 * loaded unloads it, and of two loads of a name the later stays.
 */
export class Library {
  readonly #parts: LibraryParts;
  #last: Promise<unknown> = Promise.resolve();
  /** Adapters' names that were taken away: a mixture that is loaded does not bring them back. */
  readonly #unloaded = new Set<string>();

  constructor(parts: LibraryParts) {
    this.#parts = parts;
  }

  /** @throws MoloraError `bad_request` where the name is loaded and not to be replaced, or what is wrong with the files. */
  loadAdapter(name: string, path: string, { replace = true }: LoadAdapterOptions = {}): Promise<AdapterReport> {
    return this.#inTurn(async () => {
      if (!replace) this.#checkNotLoaded(name);
      const adapter = await this.#readAdapter(name, path);
      await this.#keepAdapter(adapter);
      this.#unloaded.delete(name);
      return adapter.report;
    });
  }

  /**
   * Loads a mixture. Its experts' adapters are loaded under their names too, except where a name is taken, or was taken
   * away by `unloadAdapter`: then the mixture alone holds its adapter.
   */
  loadMixture(name: string, path: string): Promise<MixtureReport> {
    return this.#inTurn(() => this.#loadMixture(name, path));
  }

  async #loadMixture(name: string, path: string): Promise<MixtureReport> {
    const { config, registry, bank } = this.#parts;
    const mixture = await readMixture(name, await this.#folder(path), config);
    this.#checkMixture(mixture);
    const adapters: ExpertAdapter[] = [];
    for (const expert of mixture.experts) adapters.push(await this.#expertAdapter(expert, path));
    const prototypes = await sliced(prototypesOf(mixture, adapters));
    const loaded = registry.addMixture(mixture, adapters, (generation) => this.#checkFits(generation), prototypes);
    bank.add(loaded);
    await bank.placeAhead(loaded);
    return reportMixture(mixture);
  }

  /** @throws MoloraError `unknown_adapter`. */
  unloadAdapter(name: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#parts.registry.removeAdapter(name);
      this.#unloaded.add(name);
    });
  }

  /** @throws MoloraError `unknown_mixture`. */
  unloadMixture(name: string): Promise<void> {
    return this.#inTurn(async () => this.#parts.registry.removeMixture(name));
  }

  adapters(): AdapterReport[] {
    return this.#parts.registry
      .list()
      .flatMap(({ generation }) => (generation.kind === "adapter" ? [generation.adapter.report] : []));
  }

  mixtures(): MixtureReport[] {
    return this.#parts.registry
      .list()
      .flatMap(({ generation }) => (generation.kind === "mixture" ? [reportMixture(generation.mixture)] : []));
  }

  /** The adapter under the expert's name when it is the one that the mixture means, else the one at its path. */
  async #expertAdapter(expert: MixtureExpert, mixturePath: string): Promise<ExpertAdapter> {
    if (expert.adapter === undefined) return undefined;
    const { host, registry } = this.#parts;
    const named = registry.list().find(({ generation }) => generation.name === expert.name)?.generation;
    const loaded = named?.kind === "adapter" ? named.adapter : undefined;
    if (loaded !== undefined && loaded.hash === expert.sha256) return loaded;
    let adapter: PackedAdapter;
    try {
      adapter = await this.#readAdapter(expert.name, host.resolve(mixturePath, expert.adapter));
    } catch (error) {
      // A mixture that was moved away from its adapters still works beside adapters loaded under its experts' names.
      const gone = MoloraError.is(error) && error.code === "file_not_found";
      if (gone && loaded !== undefined && expert.sha256 === undefined) return loaded;
      throw error;
    }
    if (named === undefined && !this.#unloaded.has(expert.name)) await this.#keepAdapter(adapter);
    return adapter;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => {});
    return done;
  }

  #checkNotLoaded(name: string): void {
    if (!this.#parts.registry.list().some(({ generation }) => generation.name === name)) return;
    throw new MoloraError("bad_request", `"${name}" is loaded already`, {
      remedy: "Unload it first, or replace it.",
      details: { loaded: name },
    });
  }

  async #readAdapter(name: string, path: string): Promise<PackedAdapter> {
    const { config, capacity } = this.#parts;
    const adapter = await loadAdapter(name, await this.#parts.host.open(path), config);
    const rank = Math.max(...adapter.report.ranks);
    if (rank > capacity.rank4 * 4) {
      throw new MoloraError(
        "adapter_unsupported",
        `adapter "${name}" has rank ${rank}; this engine takes ${capacity.rank4 * 4}`,
        {
          remedy: `Start the engine with maxRank ${rank}.`,
        },
      );
    }
    return sliced(packAdapter(adapter));
  }

  #checkMixture(mixture: Mixture): void {
    const { capacity } = this.#parts;
    const facts: [what: string, value: number, most: number][] = [
      ["experts", mixture.experts.length, capacity.experts],
      ["experts a token (top_k)", routedEntries(mixture.router), capacity.entries],
      ["values in its gate's hidden layer", gateWidth(mixture), capacity.gateWidth],
    ];
    for (const [what, value, most] of facts) {
      if (value <= most) continue;
      throw new MoloraError(
        "mixture_invalid",
        `mixture "${mixture.name}" has ${value} ${what}; this engine takes ${most}`,
      );
    }
  }

  async #keepAdapter(adapter: PackedAdapter): Promise<void> {
    const { bank, registry } = this.#parts;
    const loaded = registry.addAdapter(adapter, (generation) => this.#checkFits(generation));
    bank.add(loaded);
    await bank.placeAhead(loaded);
  }

  /** Refuses what could never be resident. One adapter of several experts takes its pages once. */
  #checkFits(generation: LoadedGeneration): void {
    const { bank, capacity } = this.#parts;
    const sizes = new Map(bank.needs(generation).map((need) => [need.key, need.pages]));
    const needed = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    if (needed < capacity.pages) return;
    throw new MoloraError(
      "out_of_pages",
      `${generation.kind} "${generation.name}" takes ${needed} of ${capacity.pages} pages`,
      {
        remedy: "Start the engine with more poolBytes.",
      },
    );
  }

  async #folder(path: string): Promise<SourceFolder> {
    const opened = await this.#parts.host.open(path);
    if ("list" in opened) return opened;
    throw new MoloraError("file_not_found", `${path} is a file`, { remedy: "Name the folder it lies in." });
  }
}
