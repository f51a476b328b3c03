// A frozen base with frozen adapters and routers on the device: what routers are trained and compared on.
// It knows nothing of requests: no scheduler; whole texts come side by side (texts.ts), each with KV pages of its own.

import { adapterRank4, adapterRunBytes } from "../../engine/adapters/pack_adapter.ts";
import { gateWidth, routedEntries, routerRunBytes } from "../../engine/adapters/pack_router.ts";
import { Bank } from "../../engine/adapters/placement.ts";
import { type LoadedAdapter, type LoadedMixture, Registry } from "../../engine/adapters/registry.ts";
import { Buffers } from "../../engine/gpu/buffers.ts";
import { Gpu } from "../../engine/gpu/gpu.ts";
import type { Host } from "../../engine/host.ts";
import { DevicePool, PAGE_TOKENS, pageBytes } from "../../engine/memory/device_pool.ts";
import { PagePool } from "../../engine/memory/page_pool.ts";
import { Residency } from "../../engine/memory/residency.ts";
import { type Capacity, type InputLayout, layOutInputs } from "../../engine/model/inputs.ts";
import { rotations } from "../../engine/model/rotations.ts";
import { type ForwardParts, Stage } from "../../engine/model/stage.ts";
import type { StepKind } from "../../engine/model/step_kind.ts";
import { uploadWeights } from "../../engine/model/weights.ts";
import { allocateWorkspace } from "../../engine/model/workspace.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import type { Mixture } from "../../router/mixture.ts";
import { MAX_SORT } from "../../shaders/segments.ts";

export interface FrozenOptions {
  files: ModelFiles;
  dtype: WeightDtype;
  adapters: readonly Adapter[];
  /** Their experts are `adapters`, by name. */
  mixtures: readonly Mixture[];
  /** Longest text, in tokens. */
  length: number;
  /** Most texts in a step. */
  texts: number;
  /** Logits of every token are wanted, not the routers' choices alone. */
  scored: boolean;
  /** Most adapters that a token is given by a fixed list. Default 1. */
  stacked?: number;
  onProgress?: (done: number, total: number) => void;
}

export class FrozenModel {
  readonly gpu: Gpu;
  readonly buffers: Buffers;
  readonly config: ModelConfig;
  readonly capacity: Capacity;
  readonly parts: ForwardParts;
  readonly inputs: InputLayout;
  readonly pool: DevicePool;
  readonly bank: Bank;
  readonly adapters: readonly LoadedAdapter[];
  readonly mixtures: readonly LoadedMixture[];
  readonly #residency: Residency;
  readonly #close: () => void;
  readonly #textPages: number[][];

  /** Opens the device and puts everything on it. Frees all when any of it fails. */
  static async open(host: Host, options: FrozenOptions): Promise<FrozenModel> {
    const opened = await host.openGpu();
    const gpu = new Gpu(opened);
    const buffers = new Buffers(gpu);
    const close = () => {
      buffers.destroy();
      opened.close();
    };
    try {
      const { files, dtype, onProgress } = options;
      const progress = onProgress === undefined ? {} : { onProgress };
      const weights = await uploadWeights(gpu, buffers, files.config, files.tensors, { dtype, ...progress });
      return new FrozenModel(gpu, buffers, options, weights, close);
    } catch (error) {
      close();
      throw error;
    }
  }

  private constructor(
    gpu: Gpu,
    buffers: Buffers,
    options: FrozenOptions,
    weights: ForwardParts["weights"],
    close: () => void,
  ) {
    const { config } = options.files;
    const page = pageBytes(config);
    const perText = Math.ceil(options.length / PAGE_TOKENS);
    const runs = [...options.adapters.map(adapterRunBytes), ...options.mixtures.map(routerRunBytes)];
    const pages = 1 + options.texts * perText + runs.reduce((sum, bytes) => sum + Math.ceil(bytes / page), 0);
    this.gpu = gpu;
    this.buffers = buffers;
    this.config = config;
    this.capacity = sizes(gpu, options, pages);
    this.pool = new DevicePool(gpu, buffers, config, pages);
    this.inputs = layOutInputs(buffers, this.capacity);
    this.parts = {
      config,
      capacity: this.capacity,
      weights,
      workspace: allocateWorkspace(buffers, config, this.capacity),
      inputs: this.inputs.views,
      pool: this.pool.layers,
      rotations: buffers.from("rotations", rotations(config, options.length)),
    };
    const free = new PagePool(pages);
    this.#residency = new Residency(free);
    this.#close = close;
    this.bank = new Bank(this.pool, this.#residency);
    const registry = new Registry();
    this.adapters = options.adapters.map((adapter) => registry.addAdapter(adapter));
    this.mixtures = options.mixtures.map((mixture) => {
      const experts = mixture.experts.map(({ name }) => options.adapters.find((adapter) => adapter.name === name));
      return registry.addMixture(mixture, experts);
    });
    for (const generation of [...this.adapters, ...this.mixtures]) this.bank.add(generation);
    const needs = [...this.adapters, ...this.mixtures].flatMap((generation) => this.bank.needs(generation));
    this.bank.upload(this.#residency.acquire(needs)!.placed);
    this.#textPages = Array.from({ length: options.texts }, () =>
      Array.from({ length: perText }, () => free.takePage()!),
    );
  }

  /** KV pages of text `slot` of a step. */
  textPages(slot: number): readonly number[] {
    return this.#textPages[slot]!;
  }

  /** First page of an adapter's or a router's run, the same in every layer. */
  firstPage(key: string): number {
    return this.#residency.firstPage(key)!;
  }

  /** Where launches of one kind of step are put together. */
  stage(kind: StepKind): Stage {
    return new Stage(this.gpu, this.parts, "f32", kind);
  }

  /** Bytes of device memory held. */
  get deviceBytes(): number {
    return this.buffers.bytes;
  }

  close(): void {
    this.#close();
  }
}

/** What a step's scratch is sized by: as many tokens as its texts have, or as the kernels take. */
function sizes(gpu: Gpu, options: FrozenOptions, pages: number): Capacity {
  const { files, adapters, mixtures, length, texts, scored } = options;
  const entries = Math.max(options.stacked ?? 1, ...mixtures.map(({ router }) => routedEntries(router)));
  const rows = Math.floor(gpu.limits.maxStorageBufferBindingSize / (4 * files.config.vocabSize));
  const tokens = Math.min(texts * length, Math.floor(MAX_SORT / entries), scored ? rows : Number.POSITIVE_INFINITY);
  return {
    tokens: Math.max(tokens, 64),
    sequences: texts,
    logitRows: scored ? tokens : 1,
    blocks: pages,
    pages,
    entries,
    experts: Math.max(1, ...mixtures.map(({ experts }) => experts.length)),
    gateWidth: 4 * Math.ceil(Math.max(4, ...mixtures.map(gateWidth)) / 4),
    rank4: Math.max(1, ...adapters.map(adapterRank4)),
    masks: 1,
  };
}
