// A frozen base with frozen adapters and routers on the device: what routers are trained and compared on.
// There is no scheduler: whole texts come side by side (texts.ts), each with KV pages of its own.

import type { ExpertAdapter, LoadedAdapter, LoadedMixture, PreparedRouter } from "../../engine/adapters/generation.ts";
import { adapterRank4, adapterRunBytes, type PackedAdapter, packAdapter } from "../../engine/adapters/pack_adapter.ts";
import { gateWidth, routedEntries, routerRunBytes } from "../../engine/adapters/pack_router.ts";
import { Bank } from "../../engine/adapters/placement.ts";
import { prepareRouter } from "../../engine/adapters/prepare_router.ts";
import { Registry } from "../../engine/adapters/registry.ts";
import { settleAdapter } from "../../engine/adapters/settle.ts";
import type { Device } from "../../engine/device/device.ts";
import type { DeviceOptions, Host } from "../../engine/host.ts";
import { PAGE_TOKENS, pageBytes } from "../../engine/memory/device_pool.ts";
import { type Base, buildBase } from "../../engine/model/base.ts";
import type { Capacity } from "../../engine/model/capacity.ts";
import { Stage } from "../../engine/model/stage.ts";
import type { StepKind } from "../../engine/model/step_kind.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import { sliced } from "../../files/slices.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import type { Mixture } from "../../router/mixture.ts";
import { MAX_SORT } from "../../shaders/lora/segments.ts";

export interface FrozenOptions extends DeviceOptions {
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
  readonly device: Device;
  readonly base: Base;
  readonly config: ModelConfig;
  readonly capacity: Capacity;
  readonly bank: Bank;
  readonly adapters: readonly LoadedAdapter[];
  readonly mixtures: readonly LoadedMixture[];
  readonly #textPages: number[][];

  /** Opens the device and puts everything on it. Frees all when any of it fails. */
  static async open(host: Host, options: FrozenOptions): Promise<FrozenModel> {
    const device = await host.openDevice(options);
    try {
      const { files, dtype, length: contextLength, onProgress } = options;
      const progress = onProgress === undefined ? {} : { onProgress };
      const capacity = sizes(device, options);
      const base = await buildBase(device, files, { capacity, contextLength }, { dtype, ...progress });
      const settled: Adapter[] = [];
      for (const adapter of options.adapters) settled.push(await settleAdapter(base, adapter));
      return new FrozenModel(base, options, await packExperts({ ...options, adapters: settled }));
    } catch (error) {
      await device.close();
      throw error;
    }
  }

  private constructor(base: Base, options: FrozenOptions, { adapters, mixtures }: Packed) {
    this.device = base.device;
    this.base = base;
    this.config = base.views.config;
    this.capacity = base.views.capacity;
    this.bank = new Bank(base.pool, base.residency);
    const registry = new Registry();
    this.adapters = adapters.map((adapter) => registry.addAdapter(adapter));
    this.mixtures = mixtures.map(({ mixture, experts, prepared }) =>
      registry.addMixture(mixture, experts, undefined, prepared),
    );
    for (const generation of [...this.adapters, ...this.mixtures]) this.bank.add(generation);
    const needs = [...this.adapters, ...this.mixtures].flatMap((generation) => this.bank.needs(generation));
    this.bank.upload(base.residency.acquire(needs)!.placed);
    this.#textPages = Array.from({ length: options.texts }, () =>
      Array.from({ length: pagesPerText(options) }, () => base.pages.takePage()!),
    );
  }

  /** KV pages of text `slot` of a step. */
  textPages(slot: number): readonly number[] {
    return this.#textPages[slot]!;
  }

  /** First page of an adapter's or a router's run, the same in every layer. */
  firstPage(key: string): number {
    return this.base.residency.firstPage(key)!;
  }

  /** Where launches of one kind of step are put together. */
  stage(kind: StepKind): Stage {
    return new Stage(this.base.views, ACTIVATIONS, kind);
  }

  /** Bytes of device memory held. */
  get deviceBytes(): number {
    return this.device.bytes;
  }

  close(): Promise<void> {
    return this.device.close();
  }
}

/** Gradients are of floats. */
const ACTIVATIONS = "f32";

interface Packed {
  adapters: PackedAdapter[];
  mixtures: { mixture: Mixture; experts: ExpertAdapter[]; prepared: PreparedRouter }[];
}

async function packExperts(options: FrozenOptions): Promise<Packed> {
  const packed: Packed = { adapters: [], mixtures: [] };
  for (const adapter of options.adapters) packed.adapters.push(await sliced(packAdapter(adapter)));
  for (const mixture of options.mixtures) {
    const experts = mixture.experts.map(({ name }) => packed.adapters.find((adapter) => adapter.name === name));
    packed.mixtures.push({ mixture, experts, prepared: await sliced(prepareRouter(mixture, experts, ACTIVATIONS)) });
  }
  return packed;
}

function pagesPerText({ length }: FrozenOptions): number {
  return Math.ceil(length / PAGE_TOKENS);
}

/** What a step's scratch is sized by: as many tokens as its texts have, or as the kernels take. */
function sizes({ limits }: Device, options: FrozenOptions): Capacity {
  const { files, adapters, mixtures, length, texts, scored } = options;
  const page = pageBytes(files.config);
  const runs = [...adapters.map(adapterRunBytes), ...mixtures.map((mixture) => routerRunBytes(mixture))];
  const pages = 1 + texts * pagesPerText(options) + runs.reduce((sum, bytes) => sum + Math.ceil(bytes / page), 0);
  const entries = Math.max(options.stacked ?? 1, ...mixtures.map(({ router }) => routedEntries(router)));
  const rows = Math.floor(limits.viewBytes / (4 * files.config.vocabSize));
  const tokens = Math.min(texts * length, Math.floor(MAX_SORT / entries), scored ? rows : Number.POSITIVE_INFINITY);
  return {
    tokens: Math.max(tokens, 64),
    sequences: texts,
    logitRows: scored ? tokens : 1,
    vocabulary: files.config.vocabSize,
    blocks: pages,
    pages,
    entries,
    experts: Math.max(1, ...mixtures.map(({ experts }) => experts.length)),
    gateWidth: 4 * Math.ceil(Math.max(4, ...mixtures.map(gateWidth)) / 4),
    rank4: Math.max(1, ...adapters.map(adapterRank4)),
    masks: 1,
  };
}
