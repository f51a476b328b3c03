// A base model on a device, as serving, scoring and training all need it: weights, the pool of pages, the views that
// launches are bound to.

import type { ModelConfig } from "../../files/families/config.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import type { KvDtype } from "../../shaders/layer/rope_kv.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import type { Device } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { DevicePool } from "../memory/device_pool.ts";
import { PagePool } from "../memory/page_pool.ts";
import { Residency } from "../memory/residency.ts";
import type { Usage } from "../memory/usage.ts";
import type { Capacity } from "./capacity.ts";
import type { ForwardViews } from "./forward_views.ts";
import { type InputLayout, layOutInputs } from "./inputs.ts";
import { type RotationKind, rotationKinds, rotationTable, type ShortTurns, shortTurns } from "./rotations.ts";
import { type ModelWeights, type UploadOptions, uploadWeights } from "./weights.ts";
import { allocateWorkspace } from "./workspace.ts";

export interface Base {
  device: Device;
  views: ForwardViews;
  inputs: InputLayout;
  pool: DevicePool;
  /** Who has which of the pool's pages. */
  pages: PagePool;
  residency: Residency;
  /** Which sequences are turned by which rows of rotations. */
  shortTurns: ShortTurns | undefined;
  /** Writes anew what is written once, after the device's buffers became zeros. */
  rewrite(): void;
}

export interface BaseSizes {
  capacity: Capacity;
  /** Longest sequence, in tokens. */
  contextLength: number;
  kvDtype?: KvDtype;
  adapterDtype?: AdapterDtype;
}

/** Reads the weights and adds all else. @throws what reading the weights or allocating throws */
export async function buildBase(
  device: Device,
  { config, tensors }: ModelFiles,
  sizes: BaseSizes,
  upload: UploadOptions,
): Promise<Base> {
  return baseOver(device, { config, weights: await uploadWeights(device, config, tensors, upload) }, sizes);
}

/** What computes over weights that lie on the device. `usage`: which adapters give way there. @throws what allocating throws */
export function baseOver(
  device: Device,
  { config, weights }: { config: ModelConfig; weights: ModelWeights },
  { capacity, contextLength, kvDtype = "f32", adapterDtype = "f32" }: BaseSizes,
  usage?: Usage,
): Base {
  const pool = new DevicePool(device, config, capacity.pages, kvDtype);
  const pages = new PagePool(capacity.pages);
  const inputs = layOutInputs(device, capacity);
  const rotations = new Rotations(device, config, contextLength);
  const views: ForwardViews = {
    config,
    capacity,
    kvDtype,
    adapterDtype,
    weights,
    workspace: allocateWorkspace(device, config, capacity),
    inputs: inputs.views,
    pool: pool.layers,
    rotations: rotations.layers,
  };
  const residency = new Residency(pages, usage);
  const turns = shortTurns(config, contextLength);
  return { device, views, inputs, pool, pages, residency, shortTurns: turns, rewrite: () => rotations.write() };
}

class Rotations {
  readonly #device: Device;
  readonly #tables: ReadonlyMap<RotationKind, { view: View; values: Float32Array<ArrayBuffer> }>;
  /** One view a layer; layers of one kind share theirs. */
  readonly layers: View[];

  constructor(device: Device, config: ModelConfig, positions: number) {
    this.#device = device;
    const kinds = rotationKinds(config);
    this.#tables = new Map(
      [...new Set(kinds)].map((kind) => {
        const values = rotationTable(config, kind, positions);
        return [kind, { view: device.allocate(`rotations, ${kind}`, values.byteLength), values }];
      }),
    );
    this.layers = kinds.map((kind) => this.#tables.get(kind)!.view);
    this.write();
  }

  write(): void {
    for (const { view, values } of this.#tables.values()) this.#device.write(view, values);
  }
}
