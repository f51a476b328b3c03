// What every kernel test starts from: one test for each device of this machine, guarded outputs, error bounds.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { allocateFrom, type Device, type Launch, readView } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { GpuDevice, type GpuOptions } from "../../engine/gpu/gpu_device.ts";
import { openCpuDevice } from "../../node/cpu.ts";
import { readText } from "../../node/device.ts";
import { type OpenedGpu, openGpuDevice } from "../../node/gpu.ts";
import { MoloraError } from "../../proto/errors.ts";

export { randomFloats } from "../../cli/check/random.ts";

export type DeviceName = "gpu" | "cpu";
export const DEVICE_NAMES: readonly DeviceName[] = ["gpu", "cpu"];

/**
 * Declares a test once for every device, or those named. `body` gets a device that is closed behind it. A machine without
 * a GPU or a software driver skips the GPU's, and says so.
 */
export function onEachDevice(
  name: string,
  body: (device: Device) => Promise<void>,
  devices: readonly DeviceName[] = DEVICE_NAMES,
): void {
  for (const kind of devices) {
    test(`${kind}: ${name}`, async (t) => {
      const device = await openTestDevice(kind);
      if (device === undefined) return t.skip("no WebGPU adapter on this machine");
      try {
        await body(device);
      } finally {
        await device.close();
      }
    });
  }
}

let opened: Promise<OpenedGpu> | undefined;
after(async () => (await opened)?.close());

/** A device of its own; undefined where the machine has no GPU and no driver. */
export async function openTestDevice(kind: DeviceName): Promise<Device | undefined> {
  // More threads than one, so that items are split.
  if (kind === "cpu") return openCpuDevice({ threads: 2 });
  try {
    return await openTestGpu();
  } catch (error) {
    if (error instanceof MoloraError && error.code === "no_gpu_adapter") return undefined;
    throw error;
  }
}

/** Over the test file's one GPUDevice. Any error it reports fails the process. */
export async function openTestGpu(options: Pick<GpuOptions, "subgroups"> = {}): Promise<GpuDevice> {
  opened ??= openChecked();
  const { device, adapter, isSoftware } = await opened;
  return new GpuDevice({ device, description: adapter.description, isSoftware, readText, ...options });
}

/** Calls `body` with the GPU as kernels see one whose adapter has no subgroups. */
export async function withoutSubgroups(body: (device: Device) => Promise<void>): Promise<void> {
  const device = await openTestGpu({ subgroups: false });
  try {
    await body(device);
  } finally {
    await device.close();
  }
}

async function openChecked(): Promise<OpenedGpu> {
  const gpu = await openGpuDevice({ validate: true });
  gpu.device.addEventListener("uncapturederror", ({ error }) => {
    throw new Error(`the device reports: ${error.message}`);
  });
  return gpu;
}

/** A NaN that no kernel computes: it fills outputs before a run and stands around them. */
export const SENTINEL = 0x7fc0dead;
const GUARD_BYTES = 256;

/** An output of `floats` elements with sentinels in it and on both sides. */
export class GuardedOutput {
  readonly view: View;
  readonly #device: Device;
  readonly #whole: View;

  constructor(device: Device, floats: number) {
    const bytes = floats * 4;
    this.#device = device;
    this.#whole = allocateFrom(device, "guarded", new Uint32Array(floats + (2 * GUARD_BYTES) / 4).fill(SENTINEL));
    this.view = { buffer: this.#whole.buffer, offset: GUARD_BYTES, size: bytes };
  }

  /** The elements; asserts that the sentinels around them stand. */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    const bytes = await readView(this.#device, this.#whole);
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

/** Runs launches once. */
export async function run<Shape>(device: Device, launches: readonly Launch<Shape>[], shape: Shape): Promise<void> {
  await device.run([await device.prepare(launches)], shape);
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
