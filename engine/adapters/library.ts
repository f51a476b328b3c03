// Loads adapters, mixtures and recipes by path, on a running engine, and unloads them: which file a name means, and whose turn it
// is. read_adapter.ts and read_routing.ts read them, keeper.ts finds room for them.

import { mergeAdapters } from "../../composition/merge/merge.ts";
import { checkName } from "../../files/lora/names.ts";
import type { ByteSource, SourceFolder } from "../../files/source.ts";
import type { AdapterReport, LoadAdapterOptions, MixtureReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { ActivationForm } from "../../shaders/formats/device_format.ts";
import type { FoundFolder, Host } from "../host.ts";
import type { MergedReport, MergeRequest } from "../merge_request.ts";
import type { Catalogue } from "./catalogue.ts";
import type { ExpertAdapter } from "./generation.ts";
import type { Keeper } from "./keeper.ts";
import { mergeable, mergedFolder } from "./mergeable.ts";
import type { PackedAdapter } from "./pack_adapter.ts";
import { type ReadingParts, readAdapter } from "./read_adapter.ts";
import { type NamedExpert, type Origin, type RoutingSources, readRouting } from "./read_routing.ts";
import type { Registry } from "./registry.ts";
import type { Shelf } from "./shelf.ts";

export interface LibraryParts extends ReadingParts {
  host: Host;
  registry: Registry;
  catalogue: Catalogue;
  shelf: Shelf;
  keeper: Keeper;
  activations: ActivationForm;
}

/**
 * Loads and unloads happen one after another, in the order they were asked for: who unloads a name that is still being
 * loaded unloads it, and of two loads of a name the later stays.
 */
export class Library {
  readonly #parts: LibraryParts;
  readonly #routingSources: RoutingSources;
  #last: Promise<unknown> = Promise.resolve();
  /** Adapters' names that were taken away: a mixture that is loaded does not bring them back. */
  readonly #unloaded = new Set<string>();

  constructor(parts: LibraryParts) {
    this.#parts = parts;
    this.#routingSources = {
      ...parts,
      packed: (name, from) => this.#readAdapter(name, from),
      expert: (expert, origin) => this.#expertAdapter(expert, origin),
      recalled: async (name) => {
        if (!parts.registry.has(name)) await this.recall(name);
      },
    };
  }

  /**
   * @throws MoloraError `bad_request` where the name is loaded and not to be replaced, `generation_mismatch` where it does not
   * stand for what is expected, `out_of_pages`, or what is wrong with the files
   */
  loadAdapter(
    name: string,
    from: string | SourceFolder,
    { replace = true, expectedGeneration, pinned = false }: LoadAdapterOptions = {},
  ): Promise<AdapterReport> {
    return this.#inTurn(async () => {
      if (!replace) this.#checkNotLoaded(name);
      this.#parts.catalogue.checkGeneration(name, expectedGeneration);
      const folder = typeof from === "string" ? await this.#parts.host.open(from) : from;
      const adapter = await this.#readAdapter(name, folder);
      const path = typeof from === "string" ? from : undefined;
      await this.#parts.keeper.keepAdapter(adapter, { path, found: false, pinned });
      this.#unloaded.delete(name);
      return adapter.report;
    });
  }

  /**
   * Makes one adapter of loaded ones, as a PEFT folder of it would be loaded: its hash is that of such a folder's files.
   * @throws MoloraError `unknown_adapter`, and what merging and loading throw
   */
  mergeAdapters(
    name: string,
    { adapters: parts, signal, onProgress, ...options }: MergeRequest,
  ): Promise<MergedReport> {
    return this.#inTurn(async () => {
      const { config, registry, host } = this.#parts;
      checkName("an adapter", name, "bad_request");
      for (const part of parts) if (!registry.has(part.name)) await this.recall(part.name);
      const { layers, report } = await mergeAdapters(
        parts.map((part) => mergeable(registry.adapter(part.name).adapter, options.method)),
        config,
        { ...options, weights: parts.map(({ weight }) => weight ?? 1) },
        {
          openCrew: host.openMergeCrew,
          ...(signal === undefined ? {} : { signal }),
          ...(onProgress === undefined ? {} : { onPlace: onProgress }),
        },
      );
      const adapter = await this.#readAdapter(name, mergedFolder(name, layers, config));
      await this.#parts.keeper.keepAdapter(adapter, { path: undefined, found: false, pinned: false });
      this.#unloaded.delete(name);
      return { adapter: adapter.report, merge: report };
    });
  }

  /**
   * Loads a mixture's folder, or a recipe: its file, or the folder it lies in. Adapters of experts and of stacked parts are loaded
   * under their names too, except where a name is taken, or was taken away by `unloadAdapter`: then the mixture alone holds its
   * adapter.
   */
  loadMixture(name: string, from: string | SourceFolder, options: LoadAdapterOptions = {}): Promise<MixtureReport> {
    const { replace = true, expectedGeneration, pinned = false } = options;
    return this.#inTurn(async () => {
      if (!replace) this.#checkNotLoaded(name);
      this.#parts.catalogue.checkGeneration(name, expectedGeneration);
      const path = typeof from === "string" ? from : undefined;
      const opened = typeof from === "string" ? await this.#parts.host.open(from) : from;
      return this.#loadRouting(name, opened, { path, found: false, pinned });
    });
  }

  /**
   * Reads again what a name stood for and gave up its memory; false where it never did, or where a source is to say what it
   * stands for now.
   *
   * @throws MoloraError `checksum_mismatch` where its files were changed
   */
  async recall(name: string): Promise<boolean> {
    const { catalogue, host, registry } = this.#parts;
    const entry = catalogue.get(name);
    if (entry === undefined || entry.found || entry.path === undefined) return false;
    const { path, report } = entry;
    if (entry.kind === "mixture") {
      const isWanted = () => catalogue.get(name) === entry && !registry.has(name);
      await this.#loadRouting(name, await host.open(path), { ...entry, path }, isWanted, report.hash);
    } else {
      const adapter = await this.#readAdapter(name, await host.open(path));
      checkUnchanged(name, report.hash, adapter.hash);
      // Whoever loaded or unloaded the name meanwhile has the last word.
      if (catalogue.get(name) === entry && !registry.has(name))
        await this.#parts.keeper.keepAdapter(adapter, { ...entry, path });
    }
    return true;
  }

  /** Loads what a source has under a name, unless somebody loaded it meanwhile. */
  async keepFound(name: string, { kind, path, folder, open }: FoundFolder): Promise<void> {
    const { catalogue, registry } = this.#parts;
    const origin = { path, found: true, pinned: false };
    const before = catalogue.get(name);
    if (kind === "mixture") {
      const isWanted = () => catalogue.get(name) === before && !registry.has(name);
      await this.#loadRouting(name, folder, { ...origin, open }, isWanted);
      return;
    }
    const adapter = await this.#readAdapter(name, folder);
    if (catalogue.get(name) === before && !registry.has(name)) await this.#parts.keeper.keepAdapter(adapter, origin);
  }

  /** A mixture or a recipe. `expected`: the generation that its name stood for. */
  async #loadRouting(
    name: string,
    opened: ByteSource | SourceFolder,
    origin: Origin,
    isWanted: () => boolean = () => true,
    expected?: string,
  ): Promise<MixtureReport> {
    const { loaded, report } = await readRouting(name, opened, origin, this.#routingSources);
    if (expected !== undefined) checkUnchanged(name, expected, loaded.hash);
    if (isWanted()) await this.#parts.keeper.keepRouting(loaded, report, origin);
    return report;
  }

  /** @throws MoloraError `unknown_adapter`. */
  unloadAdapter(name: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#unload(name, "adapter");
      this.#unloaded.add(name);
    });
  }

  /** @throws MoloraError `unknown_mixture`. */
  unloadMixture(name: string): Promise<void> {
    return this.#inTurn(async () => this.#unload(name, "mixture"));
  }

  #unload(name: string, kind: "adapter" | "mixture"): void {
    const { registry, catalogue, shelf } = this.#parts;
    // What gave up its memory has a name all the same.
    if (registry.has(name) || catalogue.get(name)?.kind !== kind) {
      if (kind === "adapter") registry.removeAdapter(name);
      else registry.removeMixture(name);
    }
    catalogue.delete(name);
    shelf.released();
  }

  adapters(): AdapterReport[] {
    return this.#parts.catalogue.list().flatMap((entry) => (entry.kind === "adapter" ? [entry.report] : []));
  }

  mixtures(): MixtureReport[] {
    return this.#parts.catalogue.list().flatMap((entry) => (entry.kind === "mixture" ? [entry.report] : []));
  }

  /** The adapter under the expert's name when it is the one that the mixture means, else the one at its path. */
  async #expertAdapter(expert: NamedExpert, origin: Origin): Promise<ExpertAdapter> {
    if (expert.adapter === undefined) return undefined;
    const { host, registry, catalogue } = this.#parts;
    // What came as bytes lies nowhere, and a path in it is a stranger's: its experts are those of their names.
    if (origin.path === undefined) return this.#loadedExpert(expert);
    const taken = registry.find(expert.name);
    const loaded = taken?.kind === "adapter" ? taken.adapter : undefined;
    if (loaded !== undefined && loaded.hash === expert.sha256) return loaded;
    const path = host.resolve(origin.path, expert.adapter);
    let adapter: PackedAdapter;
    try {
      adapter = await this.#readAdapter(expert.name, await (origin.open ?? host.open)(path));
    } catch (error) {
      // A mixture that was moved away from its adapters still works beside adapters loaded under its experts' names.
      const gone = MoloraError.is(error) && error.code === "file_not_found";
      if (gone && loaded !== undefined && expert.sha256 === undefined) return loaded;
      throw error;
    }
    const isFree = taken === undefined && catalogue.get(expert.name) === undefined && !this.#unloaded.has(expert.name);
    if (!origin.found && isFree) await this.#parts.keeper.keepAdapter(adapter, { path, found: false, pinned: false });
    return adapter;
  }

  async #loadedExpert({ name }: Pick<NamedExpert, "name">): Promise<PackedAdapter> {
    const { registry } = this.#parts;
    if (!registry.has(name)) await this.recall(name);
    return registry.adapter(name).adapter;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => {});
    return done;
  }

  #checkNotLoaded(name: string): void {
    if (this.#parts.catalogue.get(name) === undefined) return;
    throw new MoloraError("bad_request", `"${name}" is loaded already`, {
      remedy: "Unload it first, or replace it.",
      details: { loaded: name },
    });
  }

  #readAdapter(name: string, from: ByteSource | SourceFolder): Promise<PackedAdapter> {
    return readAdapter(this.#parts, name, from);
  }
}

function checkUnchanged(name: string, expected: string, found: string): void {
  if (found === expected) return;
  throw new MoloraError("checksum_mismatch", `the files of "${name}" were changed since it was loaded`, {
    remedy: "Load it again, so that its name stands for what they hold now.",
    details: { name, expected, found },
  });
}
