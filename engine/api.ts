// The engine as an application sees it.
// It imports nothing that knows of devices: an application's compiler reads it, which may not have WebGPU's types.

import type { ModelConfig } from "../files/families/config.ts";
import type {
  AdapterReport,
  EngineStats,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  MixtureReport,
} from "../proto/api.ts";
import type { LoopCounters } from "./requests/counters.ts";
import type { Tokenizer } from "./text/tokenizer.ts";

export interface EngineApi {
  /** Name of the base, for messages and reports. */
  readonly model: string;
  readonly tokenizer: Tokenizer;
  readonly config: ModelConfig;
  /** Longest sequence, in tokens: the model's own limit or the one it was loaded with. */
  readonly contextLength: number;
  /** Bytes of device memory held. */
  readonly deviceBytes: number;
  readonly counters: Readonly<LoopCounters>;
  /**
   * Generates. Starts when first pulled; the last event is `done`. A request that cannot run throws a MoloraError from
   * the first pull. Leaving the loop, or aborting the signal, cancels: all it held is free by the next step.
   */
  generate(request: GenerateRequest, options?: GenerateOptions): AsyncGenerator<GenerationEvent, void>;
  /** Loads a PEFT folder under a name; requests that run under that name keep the generation they started with. */
  loadAdapter(name: string, path: string): Promise<AdapterReport>;
  unloadAdapter(name: string): Promise<void>;
  listAdapters(): AdapterReport[];
  /** Loads a mixture folder, and its experts' adapters where they are not loaded yet. */
  loadMixture(name: string, path: string): Promise<MixtureReport>;
  unloadMixture(name: string): Promise<void>;
  listMixtures(): MixtureReport[];
  stats(): EngineStats;
  /** Ends every request with `engine_closed` and frees the device. */
  close(): Promise<void>;
}
