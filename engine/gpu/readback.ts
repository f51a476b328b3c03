// Brings device bytes to the host through mappable buffers that are used again, so that several steps can be in flight.

import { MoloraError } from "../../proto/errors.ts";
import type { View } from "../device/memory.ts";

/** Mappable buffers that wait for their next use. `copy` is encoded with the work; `take` resolves when that is done. */
export class ReadbackRing {
  readonly #device: GPUDevice;
  readonly #naps: boolean;
  readonly #free: GPUBuffer[] = [];

  /** `naps`: the device computes on the host's cores, so waiting must not take one of them. */
  constructor(device: GPUDevice, naps: boolean) {
    this.#device = device;
    this.#naps = naps;
  }

  /** Encodes copies of `parts`, one after another. */
  copy(encoder: GPUCommandEncoder, parts: readonly View[]): { take(): Promise<ArrayBuffer> } {
    const bytes = parts.reduce((sum, { size }) => sum + size, 0);
    const buffer = this.#bufferOf(bytes);
    let at = 0;
    for (const part of parts) {
      encoder.copyBufferToBuffer(part.buffer as GPUBuffer, part.offset, buffer, at, part.size);
      at += part.size;
    }
    return { take: () => this.#take(buffer, bytes) };
  }

  /** @throws MoloraError `gpu_lost` */
  async settled(work: Promise<undefined>): Promise<void> {
    try {
      await (this.#naps ? nappingWait(work) : work);
    } catch (cause) {
      throw new MoloraError("gpu_lost", `the device was lost: ${cause instanceof Error ? cause.message : cause}`, {
        remedy: "Start the engine again; run `molora doctor` if it happens again.",
        cause,
      });
    }
  }

  destroy(): void {
    for (const buffer of this.#free) buffer.destroy();
  }

  async #take(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    await this.settled(buffer.mapAsync(GPUMapMode.READ, 0, bytes));
    const copy = buffer.getMappedRange(0, bytes).slice(0);
    buffer.unmap();
    this.#free.push(buffer);
    return copy;
  }

  /** The smallest free buffer that is large enough, or a new one of a power of two bytes. */
  #bufferOf(bytes: number): GPUBuffer {
    const fit = this.#free.filter(({ size }) => size >= bytes).sort((a, b) => a.size - b.size)[0];
    if (fit !== undefined) {
      this.#free.splice(this.#free.indexOf(fit), 1);
      return fit;
    }
    const size = Math.max(256, 2 ** Math.ceil(Math.log2(bytes)));
    return this.#device.createBuffer({
      label: "readback",
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
  }
}

/**
 * While a promise of the Dawn binding is pending it polls in a busy loop and takes a core from a software adapter, which
 * needs it to compute; short sleeps between polls give the core back.
 */
async function nappingWait(work: Promise<undefined>): Promise<void> {
  if (typeof setImmediate !== "function") {
    await work;
    return;
  }
  let done = false;
  const settled = work.then(
    () => {
      done = true;
    },
    (error: unknown) => {
      done = true;
      throw error;
    },
  );
  // Awaited only after the loop; until then a lost device must not count as an unhandled rejection.
  settled.catch(() => {});
  while (!done) {
    nap();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await settled;
}

const NAP_MS = 0.2;
let napping: Int32Array<SharedArrayBuffer> | undefined;

function nap(): void {
  napping ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(napping, 0, 0, NAP_MS);
}
