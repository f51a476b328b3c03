// The pages themselves: one buffer a layer, holding that layer's KV and that layer's share of adapters and routers.
// Who owns a page, page_pool.ts knows.

import type { ModelConfig } from "../../files/families/config.ts";
import { VIEW_ALIGNMENT } from "../../shaders/alignment.ts";
import type { KvDtype } from "../../shaders/layer/rope_kv.ts";
import type { Device } from "../device/device.ts";
import type { View } from "../device/memory.ts";

/** Positions of KV a page holds. */
export const PAGE_TOKENS = 16;

/** Bytes of a page: K and V of PAGE_TOKENS positions in one layer. */
export function pageBytes(config: ModelConfig, kv: KvDtype = "f32"): number {
  return 2 * PAGE_TOKENS * config.numKvHeads * config.headDim * (kv === "f16" ? 2 : 4);
}

/** Most pages a pool of this model can have: a layer's buffer must stay bindable, its addresses exact as f32. */
export function mostPages(config: ModelConfig, { limits }: Pick<Device, "limits">, kv?: KvDtype): number {
  const bytes = Math.min(limits.viewBytes, 16 * 2 ** 24);
  return Math.floor(bytes / pageBytes(config, kv));
}

export class DevicePool {
  readonly layers: readonly View[];
  readonly pageBytes: number;
  readonly #device: Device;

  constructor(device: Device, config: ModelConfig, pages: number, kv?: KvDtype) {
    this.#device = device;
    this.pageBytes = pageBytes(config, kv);
    this.layers = Array.from({ length: config.numLayers }, (_, i) =>
      device.allocate(`pool ${i}`, Math.max(VIEW_ALIGNMENT, pages * this.pageBytes)),
    );
  }

  /** Pages a run of so many bytes takes. */
  pagesFor(bytes: number): number {
    return Math.ceil(bytes / this.pageBytes);
  }

  /** Address of a page as kernels take it, in vec4 units. */
  address(page: number): number {
    return (page * this.pageBytes) / 16;
  }

  /** Writes into a layer from a page on, `offset` bytes in. Lands before anything submitted later. */
  write(layer: number, page: number, data: Float32Array<ArrayBuffer>, offset = 0): void {
    this.#device.write(this.layers[layer], data, page * this.pageBytes + offset);
  }
}
