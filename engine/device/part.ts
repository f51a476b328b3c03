// A part of a device: what is allocated and prepared through it goes when it closes, and the rest of the device stays as it is.

import { MoloraError } from "../../proto/errors.ts";
import type { Device, DeviceLimits, DeviceWishes, Launch, Program } from "./device.ts";
import type { DeviceBuffer, View } from "./memory.ts";

/** Views of other parts can be bound in its launches: they are of one device. */
export class DevicePart implements Device {
  readonly kind: Device["kind"];
  readonly description: string;
  readonly limits: DeviceLimits;
  readonly wishes: DeviceWishes;
  readonly #whole: Device;
  readonly #views = new Map<DeviceBuffer, View>();
  readonly #programs = new Set<Program<never>>();
  #bytes = 0;
  #closed = false;

  constructor(whole: Device) {
    this.#whole = whole;
    this.kind = whole.kind;
    this.description = whole.description;
    this.limits = whole.limits;
    this.wishes = whole.wishes;
  }

  /** Of this part alone. */
  get bytes(): number {
    return this.#bytes;
  }

  allocate(label: string, bytes: number, use?: "storage" | "uniform"): View {
    this.#checkOpen();
    const view = this.#whole.allocate(label, bytes, use);
    this.#views.set(view.buffer, view);
    this.#bytes += view.buffer.size;
    return view;
  }

  write(view: View, data: ArrayBufferView<ArrayBuffer>, at?: number): void {
    this.#whole.write(view, data, at);
  }

  zero(view: View): void {
    this.#whole.zero(view);
  }

  copy(from: View, to: View): void {
    this.#whole.copy(from, to);
  }

  async prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>> {
    this.#checkOpen();
    const program = await this.#whole.prepare(launches);
    this.#programs.add(program);
    if (this.#closed) this.discard(program);
    this.#checkOpen();
    return program;
  }

  run<Shape>(programs: readonly Program<Shape>[], shape: Shape, read?: readonly View[]): Promise<ArrayBuffer> {
    return this.#whole.run(programs, shape, read);
  }

  idle(): Promise<void> {
    return this.#whole.idle();
  }

  discard<Shape>(program: Program<Shape>): void {
    if (this.#programs.delete(program)) this.#whole.discard(program);
  }

  /** Another part's views stay. */
  free(view: View): void {
    if (!this.#views.delete(view.buffer)) return;
    this.#bytes -= view.buffer.size;
    this.#whole.free(view);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#whole.idle().catch(() => {}); // lost or failed: nothing runs on it either
    for (const program of this.#programs) this.discard(program);
    for (const view of this.#views.values()) this.free(view);
  }

  #checkOpen(): void {
    if (this.#closed) throw new MoloraError("engine_closed", "this part of the device is closed");
  }
}
