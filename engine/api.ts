// The engine as an application sees it.
// It imports nothing that knows of devices: an application's compiler reads it, which may not have WebGPU's types.

import type { ModelConfig } from "../files/families/config.ts";
import type { GenerationDefaults } from "../files/model_files/generation.ts";
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
import type { MoloraError } from "../proto/errors.ts";
import type { Asked } from "./adapters/asked.ts";
import type { MergedReport, MergeRequest } from "./merge_request.ts";
import type { Tokenizer } from "./text/tokenizer.ts";

/** What the engine's loop has counted since it started. */
export interface LoopCounters {
  steps: number;
  promptTokens: number;
  generatedTokens: number;
  /** Of the last step: launches encoded, milliseconds the host spent encoding. */
  launches: number;
  encodeMs: number;
  /** Devices that took the place of a lost one. */
  revivals: number;
}

/** A base that is loaded without an engine. */
export interface KeptBase {
  /** Of the device. */
  readonly bytes: number;
  /** False once it was given up, by `release` or because another base needed the memory while no engine used this one. */
  readonly kept: boolean;
  /** Engines that use it go on. */
  release(): Promise<void>;
}

export interface EngineApi {
  /** What computes, in words. */
  readonly device: { kind: "gpu" | "cpu"; description: string };
  /** Name of the base, for messages and reports. */
  readonly model: string;
  /** The base's. */
  readonly tokenizer: Tokenizer;
  readonly config: ModelConfig;
  /** What the model's makers sample with, which HTTP and the command line start from. `generate` is greedy by itself. */
  readonly samplingDefaults: GenerationDefaults;
  /** Longest sequence, in tokens: the model's own limit or the one it was loaded with. */
  readonly contextLength: number;
  /** How much runs at once: requests in a step, and blocks of keys and values where nothing else takes the pool. */
  readonly capacity: { sequences: number; blocks: number; blockTokens: number };
  /** Bytes of device memory held: the base's, which engines of the same base share, and this engine's own. */
  readonly deviceBytes: number;
  /** Bytes of device memory that the base's weights take, once for all engines that share it. */
  readonly baseBytes: number;
  /** Engines that share the base, this one among them. */
  readonly sharedBy: number;
  readonly counters: Readonly<LoopCounters>;
  /** Why no more requests are taken, if so: it was closed, or it failed (the device was lost). It never comes back. */
  readonly closed: MoloraError | undefined;
  /** Resolves, with the reason, once no more requests are taken. */
  readonly ended: Promise<MoloraError>;
  /**
   * Generates. Starts when first pulled; the last event is `done`. Leaving the loop, or aborting the signal, cancels: all
   * that the request held is free by the next step.
   *
   * @throws MoloraError from the first pull, where the request cannot run.
   *
   * @example
   * ```ts
   * const messages = [{ role: "user", content: "What are the symptoms of asthma?" }];
   * for await (const event of engine.generate({ messages, mixture: "default", maxTokens: 40 })) {
   *   process.stdout.write(event.text);
   *   if (event.type === "done") console.log(event.finishReason, event.usage);
   * }
   * ```
   */
  generate(request: GenerateRequest, options?: GenerateOptions): AsyncGenerator<GenerationEvent, void>;
  /** The ids of the prompt that a request would have. @throws MoloraError as `generate` does for its prompt. */
  promptIds(request: GenerateRequest): Promise<readonly number[]>;
  /**
   * What spells the ids of a request's adapters, as far as they are in memory: the base's tokenizer, or that of one with a
   * vocabulary of its own.
   */
  tokenizerOf(routing: Routing): Tokenizer;
  /** Loads a PEFT folder under a name; requests that run under that name keep the generation they started with. */
  loadAdapter(name: string, path: string, options?: LoadAdapterOptions): Promise<AdapterReport>;
  /**
   * Merges loaded adapters into one that is served under `name` from then on; requests that run go on meanwhile.
   *
   * @throws MoloraError `unknown_adapter`, `bad_arguments` for options that the method does not take, `adapter_no_effect`
   *
   * @example
   * ```ts
   * const adapters = [{ name: "math", weight: 0.7 }, { name: "sql" }];
   * const { merge } = await engine.merge("both", { method: "ties_svd", density: 0.3, adapters });
   * ```
   */
  merge(name: string, request: MergeRequest): Promise<MergedReport>;
  unloadAdapter(name: string): Promise<void>;
  listAdapters(): AdapterReport[];
  /**
   * Loads a mixture folder, or a recipe (recipe.json, or the folder it lies in), and their adapters where they are not loaded yet.
   * Requests ask for either as `mixture`.
   */
  loadMixture(name: string, path: string, options?: LoadAdapterOptions): Promise<MixtureReport>;
  unloadMixture(name: string): Promise<void>;
  listMixtures(): MixtureReport[];
  /**
   * What a name, or an address that a source allows, stands for: read into memory if it is not there. Undefined where no source
   * has it.
   */
  findName(text: string, signal?: AbortLike): Promise<NameReport | undefined>;
  /** The name under which something is loaded: `text` itself, or one made of an address. */
  nameOf(text: string): string;
  /**
   * Loads an adapter or a mixture from the files of its folder, as a trainer has them in memory. It stays in host memory: there
   * is no place to read it from again.
   */
  loadFiles(
    name: string,
    files: ReadonlyMap<string, Uint8Array>,
    options?: LoadAdapterOptions,
  ): Promise<AdapterReport | MixtureReport>;
  /** Where a name that nobody has loaded is looked for. */
  asked(text: string): Asked;
  /** Where what a name stands for lies; undefined where nobody has loaded it. Takes as long however many others have a name. */
  nameReport(name: string): NameReport | undefined;
  /** Every adapter and mixture that has a name, and where it lies. */
  listNames(): NameReport[];
  /** What lies in which tier. */
  tiers(): TierReport;
  stats(): EngineStats;
  /**
   * Tells of every drop of the agreement between adapters that act at once (`agreementDrop`). Returns what takes the listener away.
   *
   * @example
   * ```ts
   * engine.onAlert(({ name, before, now }) => console.warn(`${name}: ${before.toFixed(2)} → ${now.toFixed(2)}`));
   * ```
   */
  onAlert(listener: (alert: AgreementAlert) => void): () => void;
  /** Ends every request with `engine_closed` and frees what it has of the device; the last engine of a base frees the base. */
  close(): Promise<void>;
}
