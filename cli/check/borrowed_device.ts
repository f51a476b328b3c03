// A device that an engine may use and close, while it stays open for others.

import type { Device, DeviceLimits, DeviceWishes, Launch, Program } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";

/** Views stay allocated until the real device is closed. */
export class BorrowedDevice implements Device {
  readonly kind: Device["kind"];
  readonly description: string;
  readonly limits: DeviceLimits;
  readonly wishes: DeviceWishes;
  readonly #real: Device;

  constructor(real: Device) {
    this.#real = real;
    this.kind = real.kind;
    this.description = real.description;
    this.limits = real.limits;
    this.wishes = real.wishes;
  }

  get bytes(): number {
    return this.#real.bytes;
  }

  allocate(label: string, bytes: number, use?: "storage" | "uniform"): View {
    return this.#real.allocate(label, bytes, use);
  }

  write(view: View, data: ArrayBufferView<ArrayBuffer>, at?: number): void {
    this.#real.write(view, data, at);
  }

  zero(view: View): void {
    this.#real.zero(view);
  }

  copy(from: View, to: View): void {
    this.#real.copy(from, to);
  }

  prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>> {
    return this.#real.prepare(launches);
  }

  run<Shape>(programs: readonly Program<Shape>[], shape: Shape, read?: readonly View[]): Promise<ArrayBuffer> {
    return this.#real.run(programs, shape, read);
  }

  idle(): Promise<void> {
    return this.#real.idle();
  }

  free(view: View): void {
    this.#real.free(view);
  }

  close(): Promise<void> {
    return this.#real.idle();
  }
}
