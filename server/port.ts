// What the server needs of an engine, and all it needs: the seam between sockets and everything below.
// It knows nothing of how an engine works; engine.ts implements it.

import type { Tokenizer } from "../engine/text/tokenizer.ts";
import type {
  AdapterReport,
  EngineStats,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  MixtureReport,
} from "../proto/api.ts";

export interface EnginePort {
  /**
   * Starts when first pulled. Pulled slowly, only this request slows down. A request that cannot run throws a
   * MoloraError from the first pull; an aborted one ends with `done`, finish reason "cancelled".
   */
  generate(request: GenerateRequest, options?: GenerateOptions): AsyncIterable<GenerationEvent>;
  listAdapters(): AdapterReport[];
  /** `path`: a PEFT folder, already checked against the folders clients may name. */
  loadAdapter(name: string, path: string): Promise<AdapterReport>;
  unloadAdapter(name: string): Promise<void>;
  listMixtures(): MixtureReport[];
  loadMixture(name: string, path: string): Promise<MixtureReport>;
  unloadMixture(name: string): Promise<void>;
  stats(): EngineStats;
}

/** What plain HTTP needs beyond that: the tokenizer, for the names of tokens, and how long a sequence may be. */
export interface HttpEngine extends EnginePort {
  readonly tokenizer: Tokenizer;
  readonly contextLength: number;
}
