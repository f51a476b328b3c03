// Device buffers with their bytes accounted for, and views (ranges) of them.
// It knows nothing of what the bytes mean.

import { MoloraError } from "../../proto/errors.ts";
import type { Gpu } from "./gpu.ts";

/** A range of a buffer, as a binding takes it. */
export interface View {
  readonly buffer: GPUBuffer;
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** Smallest alignment of a binding's offset that every adapter accepts, in bytes. */
export const VIEW_ALIGNMENT = 256;

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** Owns the buffers of one engine; `destroy` frees them all. */
export class Buffers {
  readonly #gpu: Gpu;
  readonly #owned = new Set<GPUBuffer>();
  /** Bytes held now. */
  bytes = 0;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** A storage buffer of at least `bytes` bytes, zeroed by the API. Throws `gpu_limit` above the device's limits. */
  storage(label: string, bytes: number): View {
    return this.#create(label, bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
  }

  /** A uniform buffer; it can be copied to. */
  uniform(label: string, bytes: number): View {
    return this.#create(label, bytes, GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
  }

  /** A storage buffer that starts with `data`. */
  from(label: string, data: ArrayBufferView<ArrayBuffer>): View {
    const view = this.storage(label, data.byteLength);
    this.#gpu.queue.writeBuffer(view.buffer, 0, data);
    return view;
  }

  free(view: View): void {
    if (!this.#owned.delete(view.buffer)) return;
    this.bytes -= view.buffer.size;
    view.buffer.destroy();
  }

  destroy(): void {
    for (const buffer of this.#owned) buffer.destroy();
    this.#owned.clear();
    this.bytes = 0;
  }

  #create(label: string, bytes: number, usage: GPUBufferUsageFlags): View {
    const size = Math.max(16, alignUp(bytes, 16));
    const most = this.#gpu.limits.maxStorageBufferBindingSize;
    if (size > most) {
      throw new MoloraError("gpu_limit", `${label}: ${size} bytes, this device binds at most ${most}`, {
        remedy: "Use a smaller context, batch or model, or a device with a larger binding limit.",
      });
    }
    const buffer = this.#gpu.device.createBuffer({ label, size, usage });
    this.#owned.add(buffer);
    this.bytes += size;
    return { buffer, offset: 0, size };
  }
}

/** A part of a view. `offset` must be a multiple of VIEW_ALIGNMENT. */
export function subView(view: View, offset: number, size: number): View {
  return { buffer: view.buffer, offset: view.offset + offset, size };
}
