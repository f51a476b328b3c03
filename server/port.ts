// What the server needs of an engine, and all it needs: the seam between sockets and everything below.
// engine/engine.ts has all of it.

import type { Tokenizer } from "../engine/text/tokenizer.ts";
import type {
  AdapterReport,
  EngineStats,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  LoadAdapterOptions,
  MixtureReport,
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
  loadMixture(name: string, path: string): Promise<MixtureReport>;
  unloadMixture(name: string): Promise<void>;
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

/** What plain HTTP needs beyond that: the tokenizer, for the names of tokens, and how long a sequence may be. */
export interface HttpEngine extends EnginePort {
  readonly tokenizer: Tokenizer;
  readonly contextLength: number;
  readonly capacity: Capacity;
  promptIds(request: GenerateRequest): Promise<readonly number[]>;
}

/** The engine with some methods of its own; the rest is asked of `engine`, also what changes while it runs. */
export function withMethods(engine: HttpEngine, own: Partial<HttpEngine>): HttpEngine {
  return {
    generate: (request, options) => engine.generate(request, options),
    tokenizer: engine.tokenizer,
    contextLength: engine.contextLength,
    capacity: engine.capacity,
    promptIds: (request) => engine.promptIds(request),
    get closed() {
      return engine.closed;
    },
    listAdapters: () => engine.listAdapters(),
    loadAdapter: (name, path, options) => engine.loadAdapter(name, path, options),
    unloadAdapter: (name) => engine.unloadAdapter(name),
    listMixtures: () => engine.listMixtures(),
    loadMixture: (name, path) => engine.loadMixture(name, path),
    unloadMixture: (name) => engine.unloadMixture(name),
    stats: () => engine.stats(),
    ...own,
  };
}
