// Loads adapters and mixtures by path into the registry, on a running engine, and unloads them.
// What a loaded generation needs on the device, the bank knows.

import { mergeAdapters } from "../../composition/merge/merge.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { checkName } from "../../files/lora/names.ts";
import { writePeftAdapter } from "../../files/lora/peft_write.ts";
import { sliced } from "../../files/slices.ts";
import { type ByteSource, MemoryFolder, type SourceFolder } from "../../files/source.ts";
import type { AdapterReport, LoadAdapterOptions, MixtureReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { reportMixture } from "../../router/experts.ts";
import { readMixture } from "../../router/format.ts";
import type { MixtureExpert } from "../../router/mixture.ts";
import type { FoundFolder, Host } from "../host.ts";
import type { MergedReport, MergeRequest } from "../merge_request.ts";
import type { Capacity } from "../model/capacity.ts";
import type { Catalogue } from "./catalogue.ts";
import { checkFits, checkMixture, checkRank } from "./limits.ts";
import { mergeable } from "./mergeable.ts";
import { type PackedAdapter, packAdapter } from "./pack_adapter.ts";
import { prototypesOf } from "./pack_prototypes.ts";
import type { Bank } from "./placement.ts";
import { adapterKey, type ExpertAdapter, type LoadedGeneration, type Registry } from "./registry.ts";
import { adapterHostBytes, routerHostBytes, type Shelf } from "./shelf.ts";
import type { Vocabularies } from "./vocabularies.ts";

export interface LibraryParts {
  host: Host;
  config: ModelConfig;
  capacity: Capacity;
  registry: Registry;
  bank: Bank;
  /** Works out what of an adapter depends on the base's weights (settle.ts). */
  settle: (adapter: Adapter) => Promise<Adapter>;
  vocabularies: Vocabularies;
  catalogue: Catalogue;
  shelf: Shelf;
}

/** What is known of a load beside the name: where it came from, and what it is to be. */
interface Origin {
  path: string | undefined;
  found: boolean;
  pinned: boolean;
  /** Opens what a mixture's experts name, where a source says what it may be. */
  open?: FoundFolder["open"];
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
      await this.#keepAdapter(adapter, { path, found: false, pinned });
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
      const { config, registry } = this.#parts;
      checkName("an adapter", name, "bad_request");
      for (const part of parts) if (!registry.has(part.name)) await this.recall(part.name);
      const { layers, report } = await mergeAdapters(
        parts.map((part) => mergeable(registry.adapter(part.name).adapter, options.method)),
        config,
        { ...options, weights: parts.map(({ weight }) => weight ?? 1) },
        { ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onPlace: onProgress }) },
      );
      const files = writePeftAdapter({ layers }, config);
      const bytes = new Map([
        ["adapter_config.json", new TextEncoder().encode(files.config)],
        ["adapter_model.safetensors", files.safetensors],
      ]);
      const adapter = await this.#readAdapter(name, new MemoryFolder(name, bytes));
      await this.#keepAdapter(adapter, { path: undefined, found: false, pinned: false });
      this.#unloaded.delete(name);
      return { adapter: adapter.report, merge: report };
    });
  }

  /**
   * Loads a mixture. Its experts' adapters are loaded under their names too, except where a name is taken, or was taken
   * away by `unloadAdapter`: then the mixture alone holds its adapter.
   */
  loadMixture(name: string, from: string | SourceFolder, options: LoadAdapterOptions = {}): Promise<MixtureReport> {
    const { replace = true, expectedGeneration, pinned = false } = options;
    return this.#inTurn(async () => {
      if (!replace) this.#checkNotLoaded(name);
      this.#parts.catalogue.checkGeneration(name, expectedGeneration);
      if (typeof from !== "string") return this.#loadMixture(name, from, { path: undefined, found: false, pinned });
      return this.#loadMixture(name, await this.#folder(from), { path: from, found: false, pinned });
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
      const folder = await this.#folder(path);
      const mixture = await readMixture(name, folder, this.#parts.config);
      checkUnchanged(name, report.hash, mixture.hash);
      if (catalogue.get(name) === entry && !registry.has(name))
        await this.#loadMixture(name, folder, { ...entry, path });
    } else {
      const adapter = await this.#readAdapter(name, await host.open(path));
      checkUnchanged(name, report.hash, adapter.hash);
      // Whoever loaded or unloaded the name meanwhile has the last word.
      if (catalogue.get(name) === entry && !registry.has(name)) await this.#keepAdapter(adapter, { ...entry, path });
    }
    return true;
  }

  /** Loads what a source has under a name, unless somebody loaded it meanwhile. */
  async keepFound(name: string, { kind, path, folder, open }: FoundFolder): Promise<void> {
    const { catalogue, registry } = this.#parts;
    const origin = { path, found: true, pinned: false };
    const before = catalogue.get(name);
    if (kind === "mixture") {
      await this.#loadMixture(
        name,
        folder,
        { ...origin, open },
        () => catalogue.get(name) === before && !registry.has(name),
      );
      return;
    }
    const adapter = await this.#readAdapter(name, folder);
    if (catalogue.get(name) === before && !registry.has(name)) await this.#keepAdapter(adapter, origin);
  }

  async #loadMixture(
    name: string,
    folder: SourceFolder,
    origin: Origin,
    isWanted: () => boolean = () => true,
  ): Promise<MixtureReport> {
    const { config, registry, bank, catalogue, shelf } = this.#parts;
    const mixture = await readMixture(name, folder, config);
    checkMixture(mixture, this.#parts.capacity);
    const adapters: ExpertAdapter[] = [];
    for (const expert of mixture.experts) adapters.push(await this.#expertAdapter(expert, origin));
    const prototypes = await sliced(prototypesOf(mixture, adapters));
    const report = reportMixture(mixture);
    if (!isWanted()) return report;
    const held = new Set(registry.generations().map(({ hash }) => hash));
    const fresh = new Map(
      adapters.flatMap((adapter) => (adapter && !held.has(adapter.hash) ? [[adapter.hash, adapter]] : [])),
    );
    const bytes = [...fresh.values()].reduce(
      (sum, adapter) => sum + adapterHostBytes(adapter),
      routerHostBytes(mixture, prototypes),
    );
    await shelf.withRoom(name, bytes, () => {
      this.#checkKind(name, "mixture", origin);
      const loaded = registry.addMixture(mixture, adapters, (generation) => this.#checkFits(generation), prototypes);
      const { path, found, pinned } = origin;
      catalogue.set({ kind: "mixture", report, path, found, pinned });
      bank.add(loaded);
      bank.pin(loaded, pinned);
      // Begun in the same turn: a moment later others may have taken its place.
      return bank.placeAhead(loaded);
    });
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
  async #expertAdapter(expert: MixtureExpert, origin: Origin): Promise<ExpertAdapter> {
    if (expert.adapter === undefined) return undefined;
    const { host, registry, catalogue } = this.#parts;
    // What came as bytes lies nowhere, and a path in it is a stranger's: its experts are those of their names.
    if (origin.path === undefined) return this.#loadedExpert(expert);
    const taken = registry.list().find(({ generation }) => generation.name === expert.name)?.generation;
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
    if (!origin.found && isFree) await this.#keepAdapter(adapter, { path, found: false, pinned: false });
    return adapter;
  }

  async #loadedExpert({ name }: MixtureExpert): Promise<PackedAdapter> {
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

  async #readAdapter(name: string, from: ByteSource | SourceFolder): Promise<PackedAdapter> {
    const { config, capacity } = this.#parts;
    const adapter = await this.#parts.settle(await loadAdapter(name, from, config));
    checkRank(adapter, capacity);
    return sliced(packAdapter(adapter));
  }

  /** Its tables are on the device before any request can name it. */
  async #keepAdapter({ vocabulary, ...adapter }: PackedAdapter, origin: Origin): Promise<void> {
    const { vocabularies } = this.#parts;
    const key = adapterKey(adapter);
    const kept = vocabulary === undefined ? adapter : { ...adapter, vocabulary: {} };
    const isReady = () => vocabulary === undefined || vocabularies.has(key);
    let done = false;
    // Making room for it may have taken another name's adapter of the same content, and the tables with it.
    while (!done) {
      const fresh = !isReady();
      if (fresh && vocabulary !== undefined) await vocabularies.add(key, vocabulary);
      try {
        done = await this.#register(kept, origin, isReady);
      } catch (error) {
        if (fresh) vocabularies.remove(key);
        throw error;
      }
    }
  }

  /** False, and nothing done, where it is not ready once there is room. */
  async #register(adapter: PackedAdapter, origin: Origin, isReady: () => boolean): Promise<boolean> {
    const { bank, registry, catalogue, shelf } = this.#parts;
    const { name, report } = adapter;
    return shelf.withRoom(name, adapterHostBytes(adapter), async () => {
      if (!isReady()) return false;
      this.#checkKind(name, "adapter", origin);
      const loaded = registry.addAdapter(adapter, (generation) => this.#checkFits(generation));
      catalogue.set({ kind: "adapter", report, ...origin });
      bank.add(loaded);
      bank.pin(loaded, origin.pinned);
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

  async #folder(path: string): Promise<SourceFolder> {
    const opened = await this.#parts.host.open(path);
    if ("list" in opened) return opened;
    throw new MoloraError("file_not_found", `${path} is a file`, { remedy: "Name the folder it lies in." });
  }
}

function checkUnchanged(name: string, expected: string, found: string): void {
  if (found === expected) return;
  throw new MoloraError("checksum_mismatch", `the files of "${name}" were changed since it was loaded`, {
    remedy: "Load it again, so that its name stands for what they hold now.",
    details: { name, expected, found },
  });
}
