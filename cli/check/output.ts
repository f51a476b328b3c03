// An output between words that nothing may write: a kernel that runs past its end is found out.

import { allocateFrom, type Device, readView } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";

/** A NaN that no kernel computes: it fills outputs before a run and stands around them. */
const SENTINEL = 0x7fc0dead;
/** Words before an output, in a binding of their own as views are aligned. */
const BEFORE = 64;
/** Words behind it inside its binding: a device that keeps writes within bindings would hide the others. */
const BEHIND = 64;

export class Output {
  readonly view: View;
  readonly #device: Device;
  readonly #whole: View;
  readonly #count: number;

  /** `count` elements of 4 bytes that hold `initial`, or sentinels. */
  constructor(device: Device, count: number, initial?: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) {
    this.#device = device;
    this.#count = count;
    this.#whole = allocateFrom(device, "output", new Uint32Array(BEFORE + count + 2 * BEHIND).fill(SENTINEL));
    this.view = { buffer: this.#whole.buffer, offset: 4 * BEFORE, size: 4 * (count + BEHIND) };
    if (initial !== undefined) device.write(this.view, initial);
  }

  /** The elements. @throws Error where a word around them was written */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    const bytes = await readView(this.#device, this.#whole);
    const words = new Uint32Array(bytes);
    const inside = (i: number) => i >= BEFORE && i < BEFORE + this.#count;
    const stray = words.findIndex(
      (word, i) => word !== SENTINEL && !inside(i) && i < BEFORE + this.#count + 2 * BEHIND,
    );
    if (stray >= 0) throw new Error(`element ${stray - BEFORE} of ${this.#count} was written`);
    return new Float32Array(bytes, 4 * BEFORE, this.#count);
  }

  async readWords(): Promise<Uint32Array<ArrayBuffer>> {
    const floats = await this.read();
    return new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  }
}
