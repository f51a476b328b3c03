// What every shader test starts from: the machine's device with validation on, guarded outputs, error bounds.
// It knows nothing of any kernel.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { Buffers, type View } from "../../engine/gpu/buffers.ts";
import { type Body, Gpu } from "../../engine/gpu/gpu.ts";
import { encode, type Launch } from "../../engine/gpu/program.ts";
import { readView } from "../../engine/gpu/readback.ts";
import { type OpenedGpu, openGpuDevice } from "../../node/gpu.ts";

let opened: Promise<OpenedGpu> | undefined;
after(async () => (await opened)?.close());

/** A Gpu over the test file's one device, and buffers on it. Any error the device reports fails the process. */
export async function openTestGpu(body?: Body): Promise<{ gpu: Gpu; buffers: Buffers }> {
  opened ??= open();
  const { device, isSoftware } = await opened;
  const readText = (url: string) => readFile(fileURLToPath(url), "utf8");
  const gpu = new Gpu({ device, isSoftware, readText, ...(body === undefined ? {} : { body }) });
  return { gpu, buffers: new Buffers(gpu) };
}

/** The same Gpu as kernels see one whose adapter has no subgroups. For choosing kernels only. */
export function withoutSubgroups(gpu: Gpu): Gpu {
  return Object.create(gpu, { device: { value: { features: new Set() } } }) as Gpu;
}

async function open(): Promise<OpenedGpu> {
  const gpu = await openGpuDevice({ validate: true });
  gpu.device.addEventListener("uncapturederror", ({ error }) => {
    throw new Error(`the device reports: ${error.message}`);
  });
  return gpu;
}

/** Numbers in [-1, 1) from a seed (mulberry32). */
export function randomFloats(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (((z ^ (z >>> 14)) >>> 0) / 2 ** 32) * 2 - 1;
  });
}

/** A NaN that no kernel computes: it fills outputs before a run and stands around them. */
export const SENTINEL = 0x7fc0dead;
const GUARD_BYTES = 256;

/** An output of `floats` elements with sentinels in it and on both sides. */
export class GuardedOutput {
  readonly view: View;
  readonly #gpu: Gpu;
  readonly #whole: View;

  constructor(gpu: Gpu, buffers: Buffers, floats: number) {
    const bytes = floats * 4;
    this.#gpu = gpu;
    this.#whole = buffers.from("guarded", new Uint32Array(floats + (2 * GUARD_BYTES) / 4).fill(SENTINEL));
    this.view = { buffer: this.#whole.buffer, offset: GUARD_BYTES, size: bytes };
  }

  /** The elements; asserts that the sentinels around them stand. */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    const bytes = await readView(this.#gpu, this.#whole);
    const words = new Uint32Array(bytes);
    const first = GUARD_BYTES / 4;
    const count = this.view.size / 4;
    for (let i = 0; i < 2 * first + count; i++) {
      if (i >= first && i < first + count) continue;
      assert.equal(
        words[i],
        SENTINEL,
        `written ${i < first ? i - first : i - first - count} elements outside the output`,
      );
    }
    return new Float32Array(bytes, GUARD_BYTES, count);
  }
}

/** Whether an element read back was never written. */
export function isUnwritten(floats: Float32Array, index: number): boolean {
  return new Uint32Array(floats.buffer, floats.byteOffset + index * 4, 1)[0] === SENTINEL;
}

/** Runs launches in one pass. */
export function run<Shape>(gpu: Gpu, launches: readonly Launch<Shape>[], shape: Shape): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass, launches, shape);
  pass.end();
  gpu.queue.submit([encoder.finish()]);
}

/**
 * Asserts |actual − expected| ≤ tolerance · scale for every element, and that none is NaN or infinite.
 * `scale`: the magnitude each element's error is measured against (for a sum, the sum of its terms' magnitudes);
 * default: the largest |expected| of all.
 */
export function checkClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  scale?: ArrayLike<number>,
): void {
  assert.equal(actual.length, expected.length, "lengths differ");
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Number.isFinite(actual[i]), `element ${i} is ${actual[i]}, expected ${expected[i]}`);
    const error = Math.abs(actual[i] - expected[i]);
    const bound = tolerance * (scale?.[i] ?? largest);
    assert.ok(error <= bound, `element ${i}: ${actual[i]}, expected ${expected[i]} (error ${error}, bound ${bound})`);
  }
}
