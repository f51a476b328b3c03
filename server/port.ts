// What the server needs of an engine, and all it needs: the seam between sockets and everything below.
// engine/engine.ts has all of it.

import type { Asked } from "../engine/adapters/asked.ts";
import type { Tokenizer } from "../engine/text/tokenizer.ts";
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
  SamplingOptions,
  TierReport,
} from "../proto/api.ts";
import type { MoloraError } from "../proto/errors.ts";

export interface EnginePort {
  /**
   * Starts when first pulled. Pulled slowly, only this request slows down. A request that cannot run throws a
   * MoloraError from the first pull; an aborted one ends with `done`, finish reason "cancelled".
   */
  generate(request: GenerateRequest, options?: GenerateOptions): AsyncIterable<GenerationEvent>;
  listAdapters(): AdapterReport[];
  /** `path`: a PEFT folder, already checked against the folders clients may name. */
  loadAdapter(name: string, path: string, options?: LoadAdapterOptions): Promise<AdapterReport>;
  unloadAdapter(name: string): Promise<void>;
  listMixtures(): MixtureReport[];
  loadMixture(name: string, path: string, options?: LoadAdapterOptions): Promise<MixtureReport>;
  unloadMixture(name: string): Promise<void>;
  /** Loads from bytes: files of an adapter's or a mixture's folder, by their names. */
  loadFiles(
    name: string,
    files: ReadonlyMap<string, Uint8Array>,
    options?: LoadAdapterOptions,
  ): Promise<AdapterReport | MixtureReport>;
  stats(): EngineStats;
  /** Why no more requests are taken, if so: it was closed, or it failed. */
  readonly closed?: MoloraError | undefined;
}

/** How much an engine holds at once. */
export interface Capacity {
  /** Requests in a step, and with them the adapters in a step. */
  sequences: number;
  /** Blocks of keys and values, of `blockTokens` positions in every layer, where nothing else takes the pool. */
  blocks: number;
  blockTokens: number;
}

/** What plain HTTP needs beyond that: tokenizers, for the names of tokens, and how long a sequence may be. */
export interface HttpEngine extends EnginePort {
  /** The base's. */
  readonly tokenizer: Tokenizer;
  /** What spells the ids of a request's adapters, as far as they are in memory. */
  tokenizerOf(routing: Routing): Tokenizer;
  readonly contextLength: number;
  /** What holds where a request does not say otherwise. */
  readonly samplingDefaults?: SamplingOptions;
  readonly capacity: Capacity;
  promptIds(request: GenerateRequest): Promise<readonly number[]>;
  /** What a name, or an address that a source allows, stands for: read into memory if it is not there. */
  findName(text: string, signal?: AbortLike): Promise<NameReport | undefined>;
  /** The name under which something is loaded: `text` itself, or one made of an address. */
  nameOf(text: string): string;
  /** Where a name that nobody has loaded is looked for, as who asks may know. */
  asked(text: string): Asked;
  /** Where what a name stands for lies; undefined where nobody has loaded it. */
  nameReport(name: string): NameReport | undefined;
  listNames(): NameReport[];
  tiers(): TierReport;
  /** Tells of every drop of the agreement between adapters that act at once; absent where nobody watches. */
  onAlert?(listener: (alert: AgreementAlert) => void): () => void;
}

/** The engine with some methods of its own; the rest is asked of `engine`, also what changes while it runs. */
export function withMethods(engine: HttpEngine, own: Partial<HttpEngine>): HttpEngine {
  return {
    generate: (request, options) => engine.generate(request, options),
    tokenizer: engine.tokenizer,
    tokenizerOf: (routing) => engine.tokenizerOf(routing),
    contextLength: engine.contextLength,
    samplingDefaults: engine.samplingDefaults ?? {},
    capacity: engine.capacity,
    promptIds: (request) => engine.promptIds(request),
    get closed() {
      return engine.closed;
    },
    listAdapters: () => engine.listAdapters(),
    loadAdapter: (name, path, options) => engine.loadAdapter(name, path, options),
    unloadAdapter: (name) => engine.unloadAdapter(name),
    listMixtures: () => engine.listMixtures(),
    loadMixture: (name, path, options) => engine.loadMixture(name, path, options),
    unloadMixture: (name) => engine.unloadMixture(name),
    findName: (text, signal) => engine.findName(text, signal),
    nameOf: (text) => engine.nameOf(text),
    asked: (text) => engine.asked(text),
    nameReport: (name) => engine.nameReport(name),
    listNames: () => engine.listNames(),
    tiers: () => engine.tiers(),
    loadFiles: (name, files, options) => engine.loadFiles(name, files, options),
    stats: () => engine.stats(),
    onAlert: (listener) => engine.onAlert?.(listener) ?? (() => {}),
    ...own,
  };
}
