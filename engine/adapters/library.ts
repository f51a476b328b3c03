// Loads adapters and mixtures by path into the registry, on a running engine, and unloads them.
// It knows nothing of requests; what a loaded generation needs on the device, the bank knows.

import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import type { SourceFolder } from "../../files/source.ts";
import type { AdapterReport, MixtureReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { reportMixture } from "../../router/experts.ts";
import { readMixture } from "../../router/format.ts";
import type { Mixture, MixtureExpert } from "../../router/mixture.ts";
import type { Host } from "../host.ts";
import type { Capacity } from "../model/inputs.ts";
import { gateWidth, routedEntries } from "./pack_router.ts";
import type { Bank } from "./placement.ts";
import type { LoadedGeneration, Registry } from "./registry.ts";

export interface LibraryParts {
  host: Host;
  config: ModelConfig;
  capacity: Capacity;
  /** Pages an adapter or a whole mixture may take. */
  pages: number;
  registry: Registry;
  bank: Bank;
}

export class Library {
  readonly #parts: LibraryParts;

  constructor(parts: LibraryParts) {
    this.#parts = parts;
  }

  async loadAdapter(name: string, path: string): Promise<AdapterReport> {
    const adapter = await this.#readAdapter(name, path);
    this.#keep(this.#parts.registry.addAdapter(adapter));
    return adapter.report;
  }

  /** Loads a mixture and those of its experts' adapters that are not loaded under their names yet. */
  async loadMixture(name: string, path: string): Promise<MixtureReport> {
    const { config, registry } = this.#parts;
    const mixture = await readMixture(name, await this.#folder(path), config);
    this.#checkMixture(mixture);
    const adapters: (Adapter | undefined)[] = [];
    for (const expert of mixture.experts) adapters.push(await this.#expertAdapter(expert, path));
    this.#keep(registry.addMixture(mixture, adapters));
    return reportMixture(mixture);
  }

  unloadAdapter(name: string): void {
    this.#parts.registry.removeAdapter(name);
  }

  unloadMixture(name: string): void {
    this.#parts.registry.removeMixture(name);
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
  async #expertAdapter(expert: MixtureExpert, mixturePath: string): Promise<Adapter | undefined> {
    if (expert.adapter === undefined) return undefined;
    const { host, registry } = this.#parts;
    const named = registry.list().find(({ generation }) => generation.name === expert.name)?.generation;
    const loaded = named?.kind === "adapter" ? named.adapter : undefined;
    if (loaded !== undefined && loaded.hash === expert.sha256) return loaded;
    let adapter: Adapter;
    try {
      adapter = await this.#readAdapter(expert.name, host.resolve(mixturePath, expert.adapter));
    } catch (error) {
      // A mixture that was moved away from its adapters still works beside adapters loaded under its experts' names.
      const gone = error instanceof MoloraError && error.code === "file_not_found";
      if (gone && loaded !== undefined && expert.sha256 === undefined) return loaded;
      throw error;
    }
    if (named === undefined) this.#keep(registry.addAdapter(adapter));
    return adapter;
  }

  async #readAdapter(name: string, path: string): Promise<Adapter> {
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
    return adapter;
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

  /** Refuses what could never be resident. */
  #keep(generation: LoadedGeneration): void {
    const { bank, registry, pages } = this.#parts;
    bank.add(generation);
    const needed = bank.needs(generation).reduce((sum, need) => sum + need.pages, 0);
    if (needed < pages) return;
    if (generation.kind === "adapter") registry.removeAdapter(generation.name);
    else registry.removeMixture(generation.name);
    throw new MoloraError("out_of_pages", `${generation.kind} "${generation.name}" takes ${needed} of ${pages} pages`, {
      remedy: "Start the engine with more poolBytes.",
    });
  }

  async #folder(path: string): Promise<SourceFolder> {
    const opened = await this.#parts.host.open(path);
    if ("list" in opened) return opened;
    throw new MoloraError("file_not_found", `${path} is a file`, { remedy: "Name the folder it lies in." });
  }
}
