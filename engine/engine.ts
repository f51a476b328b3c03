// The engine: one base model, many adapters and mixtures, all requests in one continuous batch.
// It knows nothing of sockets, HTTP or terminals; files and the device come from a Host.

import { openModelFiles } from "../files/model_files/model_files.ts";
import type {
  AdapterReport,
  EngineStats,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  MixtureReport,
} from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import { rotations } from "../shaders/rope_kv.ts";
import { Library } from "./adapters/library.ts";
import { Bank } from "./adapters/placement.ts";
import { Registry } from "./adapters/registry.ts";
import { Buffers } from "./gpu/buffers.ts";
import { Gpu } from "./gpu/gpu.ts";
import type { Host } from "./host.ts";
import { DevicePool } from "./memory/device_pool.ts";
import { PagePool } from "./memory/page_pool.ts";
import { Residency } from "./memory/residency.ts";
import { activationForm, Forward } from "./model/forward.ts";
import { layOutInputs } from "./model/inputs.ts";
import { uploadWeights } from "./model/weights.ts";
import { allocateWorkspace } from "./model/workspace.ts";
import { type EngineOptions, settleSizes } from "./options.ts";
import { type AdmissionParts, admit, endIds } from "./requests/admission.ts";
import { grammarSource } from "./requests/constraints.ts";
import { Loop, type LoopCounters } from "./requests/loop.ts";
import { RoutingShares } from "./requests/shares.ts";
import type { Ticket } from "./requests/ticket.ts";
import { Grammars } from "./sampling/grammar.ts";
import type { Job } from "./scheduler/job.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { Runner } from "./step/runner.ts";
import { loadTokenizer, type Tokenizer } from "./text/tokenizer.ts";

interface EngineParts {
  admission: AdmissionParts;
  library: Library;
  loop: Loop;
  pages: PagePool;
  residency: Residency;
  shares: RoutingShares;
  grammars: Grammars;
  buffers: Buffers;
  close(): void;
}

export class Engine {
  readonly #parts: EngineParts;
  #requests = 0;

  private constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Opens the device, reads the base model, then adapters and mixtures. Frees everything when any of it fails. */
  static async load(host: Host, options: EngineOptions): Promise<Engine> {
    const opened = await host.openGpu();
    const gpu = new Gpu(opened);
    const buffers = new Buffers(gpu);
    try {
      const engine = new Engine(await assemble(host, gpu, buffers, opened, options));
      for (const [name, path] of Object.entries(options.adapters ?? {})) await engine.loadAdapter(name, path);
      for (const [name, path] of Object.entries(options.mixtures ?? {})) await engine.loadMixture(name, path);
      return engine;
    } catch (error) {
      buffers.destroy();
      opened.close();
      throw error;
    }
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

  /** Longest sequence, in tokens: the model's own limit or the one it was loaded with. */
  get contextLength(): number {
    return this.#parts.admission.contextLength;
  }

  /** Bytes of device memory held. */
  get deviceBytes(): number {
    return this.#parts.buffers.bytes;
  }

  get counters(): Readonly<LoopCounters> {
    return this.#parts.loop.counters;
  }

  /**
   * Generates. Starts when first pulled; the last event is `done`. A request that cannot run throws a MoloraError from
   * the first pull. Leaving the loop, or aborting the signal, cancels: all it held is free by the next step.
   */
  async *generate(request: GenerateRequest, options: GenerateOptions = {}): AsyncGenerator<GenerationEvent, void> {
    const { admission, loop, grammars } = this.#parts;
    const source = grammarSource(request, admission.tokenizer.chatTemplate);
    const constraint = source && (await grammars.begin(source, [...endIds(admission, request)], options.signal));
    const id = `request ${++this.#requests}`;
    let ticket: Ticket;
    try {
      if (loop.closed !== undefined) throw loop.closed;
      ticket = admit(admission, request, id, constraint);
    } catch (error) {
      constraint?.dispose();
      throw error;
    }
    const cancel = () => loop.cancel(ticket);
    loop.add(ticket);
    options.onAccepted?.(ticket.accepted);
    if (options.signal?.aborted) cancel();
    options.signal?.addEventListener("abort", cancel, { once: true });
    try {
      yield* ticket.events();
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      cancel();
    }
  }

  /** Loads a PEFT folder under a name; requests that run under that name keep the generation they started with. */
  loadAdapter(name: string, path: string): Promise<AdapterReport> {
    return this.#parts.library.loadAdapter(name, path);
  }

  async unloadAdapter(name: string): Promise<void> {
    this.#parts.library.unloadAdapter(name);
  }

  listAdapters(): AdapterReport[] {
    return this.#parts.library.adapters();
  }

  /** Loads a mixture folder, and its experts' adapters where they are not loaded yet. */
  loadMixture(name: string, path: string): Promise<MixtureReport> {
    return this.#parts.library.loadMixture(name, path);
  }

  async unloadMixture(name: string): Promise<void> {
    this.#parts.library.unloadMixture(name);
  }

  listMixtures(): MixtureReport[] {
    return this.#parts.library.mixtures();
  }

  stats(): EngineStats {
    const { admission, loop, pages, residency, shares } = this.#parts;
    const { scheduler, registry } = admission;
    const resident = new Set(residency.residents().map(({ key }) => key));
    const loaded = registry.list();
    return {
      model: this.model,
      running: scheduler.running,
      waiting: scheduler.waiting,
      steps: loop.counters.steps,
      promptTokens: loop.counters.promptTokens,
      generatedTokens: loop.counters.generatedTokens,
      preemptions: scheduler.preemptions,
      pagesTotal: pages.capacity,
      pagesFree: pages.free,
      evictions: scheduler.evictions,
      adapters: loaded.flatMap(({ generation, running }) => {
        if (generation.kind !== "adapter") return [];
        const { name, hash, key } = generation;
        return [{ name, hash, resident: resident.has(key), running, tokens: shares.adapterTokens(name) }];
      }),
      mixtures: loaded.flatMap(({ generation }) => {
        if (generation.kind !== "mixture") return [];
        const experts = generation.mixture.experts.map(({ name }) => name);
        return [
          { name: generation.name, hash: generation.hash, experts, ...shares.of(generation.key, experts.length) },
        ];
      }),
    };
  }

  /** Ends every request with `engine_closed` and frees the device. */
  async close(): Promise<void> {
    const { loop, grammars, buffers, close } = this.#parts;
    await loop.close(new MoloraError("engine_closed", "the engine was closed"));
    grammars.close();
    buffers.destroy();
    close();
  }
}

async function assemble(
  host: Host,
  gpu: Gpu,
  buffers: Buffers,
  opened: { close(): void },
  options: EngineOptions,
): Promise<EngineParts> {
  const files = await openModelFiles(await host.open(options.model));
  const { config } = files;
  const tokenizer = loadTokenizer(files.tokenizerFiles);
  const { capacity, contextLength, pages: pageCount, scheduler: schedulerOptions } = settleSizes(options, config, gpu);
  const dtype = options.dtype ?? "auto";
  const progress = options.onProgress === undefined ? {} : { onProgress: options.onProgress };
  const weights = await uploadWeights(gpu, buffers, config, files.tensors, { dtype, ...progress });

  const pages = new PagePool(pageCount);
  const residency = new Residency(pages);
  const pool = new DevicePool(gpu, buffers, config, pageCount);
  const bank = new Bank(pool, residency);
  const registry = new Registry((generation) => bank.remove(generation.key));
  const scheduler = new Scheduler<Job>(schedulerOptions, pages, residency);

  const workspace = allocateWorkspace(buffers, config, capacity);
  const inputs = layOutInputs(buffers, capacity);
  const turns = buffers.from("rotations", rotations(config, contextLength));
  const forwardParts = {
    config,
    capacity,
    weights,
    workspace,
    inputs: inputs.views,
    pool: pool.layers,
    rotations: turns,
  };
  const forward = new Forward(gpu, forwardParts, activationForm(gpu, config, options.activations ?? "f32"));
  const runner = new Runner(gpu, { config, capacity, inputs, workspace, forward, bank });

  const shares = new RoutingShares();
  const loop = new Loop(scheduler, runner, schedulerOptions.runAhead ?? 0, (ticket, row) => shares.count(ticket, row));
  const base = { kind: "base", name: options.model, hash: files.hash } as const;
  const { entries } = capacity;
  const admission = { config, contextLength, entries, base, tokenizer, registry, bank, scheduler };
  const library = new Library({ host, config, capacity, pages: pageCount, registry, bank });
  const close = () => {
    runner.destroy();
    opened.close();
  };
  const grammars = new Grammars({ open: host.openGrammarThread, tokenizer, vocabSize: config.vocabSize });
  return { admission, library, loop, pages, residency, shares, grammars, buffers, close };
}
