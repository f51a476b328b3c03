// A base model on a device, as serving, scoring and training all need it: weights, the pool of pages, the views that
// launches are bound to.

import type { ModelConfig } from "../../files/families/config.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import type { KvDtype } from "../../shaders/layer/rope_kv.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import { allocateFrom, type Device } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { DevicePool } from "../memory/device_pool.ts";
import { PagePool } from "../memory/page_pool.ts";
import { Residency } from "../memory/residency.ts";
import type { Usage } from "../memory/usage.ts";
import type { Capacity } from "./capacity.ts";
import { type InputLayout, layOutInputs } from "./inputs.ts";
import { rotationKinds, rotationTable } from "./rotations.ts";
import type { ForwardViews } from "./stage.ts";
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
  const views: ForwardViews = {
    config,
    capacity,
    kvDtype,
    adapterDtype,
    weights,
    workspace: allocateWorkspace(device, config, capacity),
    inputs: inputs.views,
    pool: pool.layers,
    rotations: uploadRotations(device, config, contextLength),
  };
  return { device, views, inputs, pool, pages, residency: new Residency(pages, usage) };
}

/** One view a layer; layers of one kind share theirs. */
function uploadRotations(device: Device, config: ModelConfig, positions: number): View[] {
  const kinds = rotationKinds(config);
  const tables = new Map(
    [...new Set(kinds)].map((kind) => [
      kind,
      allocateFrom(device, `rotations, ${kind}`, rotationTable(config, kind, positions)),
    ]),
  );
  return kinds.map((kind) => tables.get(kind)!);
}
