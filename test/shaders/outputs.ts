// Outputs that catch a write past their end even where the device keeps writes inside a binding: the binding is longer.

import assert from "node:assert/strict";
import type { Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { GuardedOutput, SENTINEL } from "./device.ts";

/** Elements beyond the end that nothing may write. */
const TAIL = 64;

/** `count` elements of 4 bytes, poisoned with a NaN before the run, sentinels behind them inside the binding. */
export class Output {
  readonly view: View;
  readonly #guarded: GuardedOutput;
  readonly #count: number;

  constructor(device: Device, count: number, initial?: Float32Array<ArrayBuffer>) {
    this.#guarded = new GuardedOutput(device, count + TAIL);
    this.#count = count;
    this.view = this.#guarded.view;
    if (initial !== undefined) device.write(this.view, initial);
  }

  /** The elements; asserts that nothing around them was written. */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    const all = await this.#guarded.read();
    const past = bitsOf(all).findIndex((word, i) => i >= this.#count && word !== SENTINEL);
    assert.ok(past < 0, `written ${past - this.#count} elements past the end`);
    return all.subarray(0, this.#count);
  }

  /** The elements as words. */
  async readWords(): Promise<Uint32Array<ArrayBuffer>> {
    return bitsOf(await this.read());
  }
}

/** The bits of floats, to compare without rounding and with NaNs. */
export function bitsOf(floats: Float32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
}

/** Asserts equal bits. */
export function checkSameBits(
  actual: Float32Array<ArrayBuffer>,
  expected: Float32Array<ArrayBuffer>,
  what: string,
): void {
  assert.equal(actual.length, expected.length, `${what}: lengths differ`);
  const [left, right] = [bitsOf(actual), bitsOf(expected)];
  const at = left.findIndex((word, i) => word !== right[i]);
  assert.ok(at < 0, `${what}: element ${at} is ${actual[at]}, expected the bits of ${expected[at]}`);
}
