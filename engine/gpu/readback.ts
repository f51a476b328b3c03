// Brings device bytes to the host through a ring of mappable buffers, so that several steps can be in flight.
// It knows nothing of what the bytes mean.

import { MoloraError } from "../../proto/errors.ts";
import type { View } from "./buffers.ts";
import type { Gpu } from "./gpu.ts";

/** Reads fixed-size blocks. `copy` is encoded with the step; `take` resolves when that step is done. */
export class ReadbackRing {
  readonly #gpu: Gpu;
  readonly #free: GPUBuffer[];

  constructor(gpu: Gpu, bytes: number, slots: number) {
    this.#gpu = gpu;
    this.#free = Array.from({ length: slots }, (_, i) =>
      gpu.device.createBuffer({
        label: `readback ${i}`,
        size: Math.max(16, bytes),
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      }),
    );
  }

  /** Encodes copies of `parts`, one after another, into a free slot. Throws `internal` when none is free. */
  copy(encoder: GPUCommandEncoder, parts: readonly View[]): Readback {
    const buffer = this.#free.pop();
    if (buffer === undefined)
      throw new MoloraError("internal", "more steps are in flight than the readback ring holds");
    let at = 0;
    for (const part of parts) {
      encoder.copyBufferToBuffer(part.buffer, part.offset, buffer, at, part.size);
      at += part.size;
    }
    return new Readback(this.#gpu, buffer, at, this.#free);
  }

  destroy(): void {
    for (const buffer of this.#free) buffer.destroy();
  }
}

/** One pending block. */
export class Readback {
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  readonly #bytes: number;
  readonly #free: GPUBuffer[];

  constructor(gpu: Gpu, buffer: GPUBuffer, bytes: number, free: GPUBuffer[]) {
    this.#gpu = gpu;
    this.#buffer = buffer;
    this.#bytes = bytes;
    this.#free = free;
  }

  /** The bytes, in a fresh array. Call after the submit that carries the copy. */
  async take(): Promise<ArrayBuffer> {
    try {
      await waitFor(this.#gpu, this.#buffer.mapAsync(GPUMapMode.READ, 0, this.#bytes));
    } catch (cause) {
      throw new MoloraError("gpu_lost", `the device was lost: ${cause instanceof Error ? cause.message : cause}`, {
        remedy: "Start the engine again; run `molora doctor` if it happens again.",
        cause,
      });
    }
    const bytes = this.#buffer.getMappedRange(0, this.#bytes).slice(0);
    this.#buffer.unmap();
    this.#free.push(this.#buffer);
    return bytes;
  }
}

/** One-off read of a view, for loading, tests and tools. */
export async function readView(gpu: Gpu, view: View): Promise<ArrayBuffer> {
  const ring = new ReadbackRing(gpu, view.size, 1);
  const encoder = gpu.device.createCommandEncoder();
  const readback = ring.copy(encoder, [view]);
  gpu.queue.submit([encoder.finish()]);
  const bytes = await readback.take();
  ring.destroy();
  return bytes;
}

/**
 * Waits for device work. While a promise of the Dawn binding is pending it polls in a busy loop and takes a core
 * from a software adapter, which needs it to compute; short sleeps between polls give the core back.
 */
async function waitFor(gpu: Gpu, work: Promise<undefined>): Promise<void> {
  if (!gpu.isSoftware || typeof setImmediate !== "function") {
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
