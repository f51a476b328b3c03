// Named tensors in one flat device buffer, and their gradients in a second one where they are trained.

import { allocateFrom, type Device, readView } from "../../engine/device/device.ts";
import { subView, type View } from "../../engine/device/memory.ts";
import { alignUp, VIEW_ALIGNMENT } from "../../shaders/alignment.ts";

/** Tensors begin at multiples of this many floats, so that each can be bound by itself. */
const ALIGN_FLOATS = VIEW_ALIGNMENT / 4;

interface Place {
  /** Floats. */
  offset: number;
  length: number;
}

export class Parameters {
  /** All values, [count] f32; the gaps between tensors are zero and stay so. */
  readonly values: View;
  /** All gradients in the same places; undefined where the tensors are frozen. */
  readonly gradients: View | undefined;
  /** Floats, gaps included. */
  readonly count: number;
  readonly #device: Device;
  readonly #places = new Map<string, Place>();

  /** Uploads `tensors`. @throws MoloraError `gpu_limit` where one binding cannot hold them all. */
  constructor(device: Device, label: string, tensors: ReadonlyMap<string, Float32Array>, trained: boolean) {
    let count = 0;
    for (const [name, { length }] of tensors) {
      this.#places.set(name, { offset: count, length });
      count += alignUp(length, ALIGN_FLOATS);
    }
    this.count = Math.max(ALIGN_FLOATS, count);
    const flat = new Float32Array(this.count);
    for (const [name, tensor] of tensors) flat.set(tensor, this.#places.get(name)!.offset);
    this.#device = device;
    this.values = allocateFrom(device, label, flat);
    this.gradients = trained ? device.allocate(`${label} gradients`, this.count * 4) : undefined;
  }

  get names(): string[] {
    return [...this.#places.keys()];
  }

  value(name: string): View {
    return this.#view(this.values, name);
  }

  /** The view in which a tensor's gradient is added up; undefined where the tensor is frozen. */
  gradient(name: string): View | undefined {
    return this.gradients && this.#view(this.gradients, name);
  }

  /** The tensors of `view` (values, gradients, or an optimizer's state of the same layout) on the host. */
  async read(view: View = this.values): Promise<Map<string, Float32Array>> {
    const flat = new Float32Array(await readView(this.#device, view));
    return new Map([...this.#places].map(([name, { offset, length }]) => [name, flat.slice(offset, offset + length)]));
  }

  /** Puts host tensors back into `view`; those not named keep what they have. */
  write(tensors: ReadonlyMap<string, Float32Array>, view: View = this.values): void {
    for (const [name, tensor] of tensors) {
      this.#device.write(this.#view(view, name), Float32Array.from(tensor));
    }
  }

  /** Sets the gradients to zero, where there are any. */
  clear(): void {
    if (this.gradients !== undefined) this.#device.zero(this.gradients);
  }

  #view(whole: View, name: string): View {
    const place = this.#places.get(name);
    if (place === undefined) throw new RangeError(`no parameter ${name}`);
    return subView(whole, place.offset * 4, alignUp(place.length * 4, 16));
  }
}
