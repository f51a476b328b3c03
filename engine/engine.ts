// The engine: one base model, many adapters and mixtures, all requests in one continuous batch.
// Files and the device come from a Host, so that it also runs in a browser.

import { RECIPE_FILE } from "../composition/recipe/recipe.ts";
import type { GenerationDefaults } from "../files/model_files/generation.ts";
import { MemoryFolder } from "../files/source.ts";
import type {
  AbortLike,
  AdapterReport,
  AgreementAlert,
  EngineStats,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  LoadAdapterOptions,
  MixtureReport,
  NameReport,
  Routing,
  TierReport,
} from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import { MIXTURE_FILE } from "../router/format.ts";
import type { Asked } from "./adapters/asked.ts";
import { nameReport, nameReports, tierReport } from "./adapters/tiers.ts";
import type { EngineApi, LoopCounters } from "./api.ts";
import { assemble, type EngineParts } from "./assemble.ts";
import { checkSizes, useBackbone } from "./backbones.ts";
import type { Host } from "./host.ts";
import { PAGE_TOKENS } from "./memory/device_pool.ts";
import type { MergedReport, MergeRequest } from "./merge_request.ts";
import type { EngineOptions } from "./options.ts";
import { prepareUsual } from "./prepare.ts";
import { admit, neverBegan } from "./requests/admission.ts";
import { lexiconOf } from "./requests/lexicon.ts";
import { isReady, MOST_TRIES, promptIdsOf, type Read, readAgain, readRequest } from "./requests/readiness.ts";
import type { Ticket } from "./requests/ticket.ts";
import { engineStats } from "./stats.ts";
import type { Tokenizer } from "./text/tokenizer.ts";

export class Engine implements EngineApi {
  readonly #parts: EngineParts;
  #requests = 0;

  private constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Takes a base that an engine of this host has, or opens the device and reads it, then adapters and mixtures. Frees its own when any fails. */
  static async load(host: Host, options: EngineOptions): Promise<Engine> {
    const use = await useBackbone(host, options, checkSizes(options));
    try {
      const engine = new Engine(assemble(host, use, options));
      void engine.ended.then(({ code }) => {
        if (code === "gpu_lost") use.spoil();
      });
      for (const [name, path] of Object.entries(options.adapters ?? {})) await engine.loadAdapter(name, path);
      for (const [name, path] of Object.entries({ ...options.mixtures, ...options.recipes })) {
        await engine.loadMixture(name, path);
      }
      await prepareUsual(engine.#parts, options);
      return engine;
    } catch (error) {
      const crowded = use.users > 1 && MoloraError.from(error).code === "gpu_limit";
      await use.release();
      if (!crowded) throw error;
      const { identify: _, ...alone } = host; // the shared device has no room for one more
      return Engine.load(alone, options);
    }
  }

  /** What computes, in words. */
  get device(): { kind: "gpu" | "cpu"; description: string } {
    const { kind, description } = this.#parts.device;
    return { kind, description };
  }

  /** Name of the base, for messages and reports. */
  get model(): string {
    return this.#parts.admission.base.name;
  }

  get tokenizer(): Tokenizer {
    return this.#parts.admission.tokenizer;
  }

  get config() {
    return this.#parts.admission.config;
  }

  /** What the model's makers sample with. */
  get samplingDefaults(): GenerationDefaults {
    return this.#parts.samplingDefaults;
  }

  /** Longest sequence, in tokens: the model's own limit or the one it was loaded with. */
  get contextLength(): number {
    return this.#parts.admission.contextLength;
  }

  /** How much runs at once: requests in a step, and blocks of keys and values where nothing else takes the pool. */
  get capacity(): { sequences: number; blocks: number; blockTokens: number } {
    const { admission, pages } = this.#parts;
    const blocks = Math.floor(pages.capacity / admission.config.numLayers);
    return { sequences: admission.scheduler.maxSequences, blocks, blockTokens: PAGE_TOKENS };
  }

  /** Bytes of device memory held: the base's, which engines of the same base share, and this engine's own. */
  get deviceBytes(): number {
    return this.baseBytes + this.#parts.device.bytes;
  }

  /** Bytes of device memory that the base's weights take, once for all engines that share it. */
  get baseBytes(): number {
    return this.#parts.use.backbone.bytes;
  }

  /** Engines that share the base, this one among them. */
  get sharedBy(): number {
    return this.#parts.use.users;
  }

  get counters(): Readonly<LoopCounters> {
    return this.#parts.counters;
  }

  /** Why no more requests are taken, if so: it was closed, or it failed (the device was lost). It never comes back. */
  get closed(): MoloraError | undefined {
    return this.#parts.loop.closed;
  }

  /** Resolves, with the reason, once no more requests are taken. */
  get ended(): Promise<MoloraError> {
    return this.#parts.loop.ended;
  }

  /**
   * Generates. Starts when first pulled; the last event is `done`. Leaving the loop, or aborting the signal, cancels: all
   * that the request held is free by the next step.
   *
   * @throws MoloraError from the first pull, where the request cannot run.
   */
  async *generate(request: GenerateRequest, options: GenerateOptions = {}): AsyncGenerator<GenerationEvent, void> {
    const { admission, loop, demand } = this.#parts;
    const named = demand.named(request);
    let read: Read;
    try {
      read = await readRequest(this.#parts, request, options.signal);
    } catch (error) {
      if (MoloraError.from(error).code !== "cancelled") throw error;
      const { accepted, done } = neverBegan(admission);
      options.onAccepted?.(accepted);
      yield done;
      return;
    }
    const id = `request ${++this.#requests}`;
    let ticket: Ticket;
    try {
      for (let tries = 0; tries < MOST_TRIES && !isReady(this.#parts, request, read); tries++) {
        read = await readAgain(this.#parts, request, read, options.signal);
      }
      if (loop.closed !== undefined) throw loop.closed;
      ticket = admit(admission, named, { id, ...read, tenant: options.tenant });
    } catch (error) {
      read.constraint?.dispose();
      throw demand.explained(error, request);
    }
    const cancel = () => loop.cancel(ticket);
    loop.add(ticket);
    try {
      options.onAccepted?.(ticket.accepted);
      if (options.signal?.aborted) cancel();
      options.signal?.addEventListener("abort", cancel, { once: true });
      yield* ticket.events();
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      cancel();
    }
  }

  promptIds(request: GenerateRequest): Promise<readonly number[]> {
    return promptIdsOf(this.#parts, request);
  }

  /** What spells the ids of a request's adapters, as far as they are in memory. */
  tokenizerOf(routing: Routing): Tokenizer {
    const { admission, demand } = this.#parts;
    return lexiconOf(admission, demand.named(routing)).tokenizer;
  }

  /** Loads a PEFT folder under a name; requests that run under that name keep the generation they started with. */
  loadAdapter(name: string, path: string, options: LoadAdapterOptions = {}): Promise<AdapterReport> {
    return this.#parts.library.loadAdapter(name, path, options);
  }

  /**
   * Merges loaded adapters into one that is served under `name` from then on; requests that run go on meanwhile.
   *
   * @throws MoloraError `unknown_adapter`, `bad_arguments` for options that the method does not take, `adapter_no_effect`
   */
  merge(name: string, request: MergeRequest): Promise<MergedReport> {
    return this.#parts.library.mergeAdapters(name, request);
  }

  /**
   * What a name, or an address that a source allows, stands for: read into memory if it is not there. Undefined where no source
   * has it.
   */
  async findName(text: string, signal?: AbortLike): Promise<NameReport | undefined> {
    await this.#parts.demand.ready({ adapter: text }, signal);
    return this.nameReport(this.nameOf(text));
  }

  /** Where a name that nobody has loaded is looked for. */
  asked(text: string): Asked {
    return this.#parts.demand.asked(text);
  }

  /** Where what a name stands for lies; undefined where nobody has loaded it. */
  nameReport(name: string): NameReport | undefined {
    return nameReport(name, this.#parts);
  }

  /** The name under which something is loaded: `text` itself, or one made of an address. */
  nameOf(text: string): string {
    return this.#parts.demand.nameOf(text);
  }

  /**
   * Loads an adapter or a mixture from the files of its folder, as a trainer has them in memory. It stays in host memory: there
   * is no place to read it from again.
   */
  async loadFiles(
    name: string,
    files: ReadonlyMap<string, Uint8Array>,
    options: LoadAdapterOptions = {},
  ): Promise<AdapterReport | MixtureReport> {
    const folder = new MemoryFolder(name, files);
    const { library } = this.#parts;
    return files.has(MIXTURE_FILE) || files.has(RECIPE_FILE)
      ? library.loadMixture(name, folder, options)
      : library.loadAdapter(name, folder, options);
  }

  /** Every adapter and mixture that has a name, and where it lies. */
  listNames(): NameReport[] {
    return nameReports(this.#parts);
  }

  /** What lies in which tier. */
  tiers(): TierReport {
    const { shelf, demand, residency } = this.#parts;
    return tierReport(this.listNames(), { shelf, demand, residency });
  }

  unloadAdapter(name: string): Promise<void> {
    return this.#parts.library.unloadAdapter(name);
  }

  listAdapters(): AdapterReport[] {
    return this.#parts.library.adapters();
  }

  /** Loads a mixture folder or a recipe, and their adapters where they are not loaded yet. */
  loadMixture(name: string, path: string, options: LoadAdapterOptions = {}): Promise<MixtureReport> {
    return this.#parts.library.loadMixture(name, path, options);
  }

  unloadMixture(name: string): Promise<void> {
    return this.#parts.library.unloadMixture(name);
  }

  listMixtures(): MixtureReport[] {
    return this.#parts.library.mixtures();
  }

  onAlert(listener: (alert: AgreementAlert) => void): () => void {
    return this.#parts.watch.onAlert(listener);
  }

  stats(): EngineStats {
    return engineStats(this.#parts, this.model);
  }

  /** Ends every request with `engine_closed` and frees what it has of the device; the last engine of a base frees the base. */
  async close(): Promise<void> {
    const { loop, grammars, use } = this.#parts;
    await loop.close(new MoloraError("engine_closed", "the engine was closed"));
    grammars.close();
    await use.release();
  }
}
