// A part of a device: what is allocated and prepared through it goes when it closes, and the rest of the device stays as it is.
// Its views and programs outlive a device that is lost: they move to the next one.

import { MoloraError } from "../../proto/errors.ts";
import type { Device, DeviceLimits, DeviceWishes, Launch, Program } from "./device.ts";
import type { DeviceBuffer, View } from "./memory.ts";

/** A buffer by a name that stays, wherever it lies. */
class PartBuffer implements DeviceBuffer {
  readonly label: string;
  readonly size: number;
  readonly use: "storage" | "uniform" | undefined;
  real: DeviceBuffer;

  constructor(label: string, real: DeviceBuffer, use: "storage" | "uniform" | undefined) {
    this.label = label;
    this.size = real.size;
    this.use = use;
    this.real = real;
  }
}

class PartProgram<Shape> implements Program<Shape> {
  readonly launches: readonly Launch<Shape>[];
  real: Program<Shape>;

  constructor(launches: readonly Launch<Shape>[], real: Program<Shape>) {
    this.launches = launches;
    this.real = real;
  }

  count(shape: Shape): number {
    return this.real.count(shape);
  }
}

/** Launches may bind views of other parts of the same device. */
export class DevicePart implements Device {
  readonly kind: Device["kind"];
  readonly description: string;
  readonly limits: DeviceLimits;
  readonly wishes: DeviceWishes;
  #whole: Device;
  readonly #views = new Map<PartBuffer, View>();
  readonly #programs = new Set<PartProgram<never>>();
  /** Of a refill: views that are there, by label. */
  #waiting: Map<string, View[]> | undefined;
  #bytes = 0;
  #moves = 0;
  #lost = false;
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

  /** The device that it is a part of now. */
  get whole(): Device {
    return this.#whole;
  }

  /** How often it moved. What was written before a move is not there after it. */
  get moves(): number {
    return this.#moves;
  }

  allocate(label: string, bytes: number, use?: "storage" | "uniform"): View {
    this.#checkOpen();
    const there = this.#waiting?.get(label)?.shift();
    if (there !== undefined) return there;
    const { buffer } = this.#whole.allocate(label, bytes, use);
    const own = new PartBuffer(label, buffer, use);
    const view = { buffer: own, offset: 0, size: buffer.size };
    this.#views.set(own, view);
    this.#bytes += own.size;
    return view;
  }

  write(view: View, data: ArrayBufferView<ArrayBuffer>, at?: number): void {
    if (!this.#lost) this.#whole.write(real(view), data, at);
  }

  zero(view: View): void {
    if (!this.#lost) this.#whole.zero(real(view));
  }

  copy(from: View, to: View): void {
    if (!this.#lost) this.#whole.copy(real(from), real(to));
  }

  async prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>> {
    this.#checkOpen();
    if (this.#lost) throw lostDevice();
    const whole = this.#whole;
    const program = new PartProgram(launches, await whole.prepare(launches.map(realLaunch)));
    if (this.#closed) whole.discard(program.real);
    this.#checkOpen();
    if (whole !== this.#whole) program.real = await this.#whole.prepare(launches.map(realLaunch));
    this.#programs.add(program);
    return program;
  }

  async run<Shape>(
    programs: readonly Program<Shape>[],
    shape: Shape,
    read: readonly View[] = [],
  ): Promise<ArrayBuffer> {
    if (this.#lost) throw lostDevice();
    return this.#whole.run(programs.map(realProgram), shape, read.map(real));
  }

  async idle(): Promise<void> {
    if (!this.#lost) await this.#whole.idle();
  }

  discard<Shape>(program: Program<Shape>): void {
    if (this.#programs.delete(program as PartProgram<never>)) this.#whole.discard(realProgram(program));
  }

  /** Another part's views stay. */
  free({ buffer }: View): void {
    const own = buffer as PartBuffer;
    const view = this.#views.get(own);
    if (view === undefined) return;
    this.#views.delete(own);
    this.#bytes -= own.size;
    this.#whole.free({ ...view, buffer: own.real });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.idle().catch(() => {}); // lost or failed: nothing runs on it either
    this.freeAll();
  }

  /** Gives back all that it has. Nothing that still runs may use it. */
  freeAll(): void {
    for (const program of this.#programs) this.discard(program);
    for (const view of this.#views.values()) this.free(view);
  }

  /** The device was lost, and closed: what is asked of it until the part moves ends with `gpu_lost`. */
  lose(): void {
    this.#lost = true;
  }

  /** Makes all of it anew on another device of the same kind: buffers of zeros, programs over them. */
  async moveTo(whole: Device): Promise<void> {
    this.#moves++;
    this.#whole = whole;
    this.#lost = false;
    for (const buffer of this.#views.keys()) buffer.real = whole.allocate(buffer.label, buffer.size, buffer.use).buffer;
    for (const program of this.#programs) program.real = await whole.prepare(program.launches.map(realLaunch));
  }

  /** While `work` runs, what it allocates is what is there already under the same label, in the order it was made. */
  async refill(work: () => Promise<unknown>): Promise<void> {
    const waiting = new Map<string, View[]>();
    for (const [{ label }, view] of this.#views) waiting.set(label, [...(waiting.get(label) ?? []), view]);
    this.#waiting = waiting;
    try {
      await work();
    } finally {
      this.#waiting = undefined;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new MoloraError("engine_closed", "this part of the device is closed");
  }
}

/** What `work` gives, if what it wrote is still there at its end. @throws MoloraError `gpu_lost` */
export async function unmoved<T>(part: DevicePart, work: () => Promise<T>): Promise<T> {
  const { moves } = part;
  const result = await work();
  if (part.moves !== moves) throw lostDevice();
  return result;
}

function lostDevice(): MoloraError {
  return new MoloraError("gpu_lost", "the device was lost meanwhile", { remedy: "Try again." });
}

/** Through parts of parts, down to the device that allocated it. */
function real(view: View): View {
  let { buffer } = view;
  while (buffer instanceof PartBuffer) buffer = buffer.real;
  return { buffer, offset: view.offset, size: view.size };
}

function realLaunch<Shape>(launch: Launch<Shape>): Launch<Shape> {
  const views: Record<string, View> = {};
  for (const name in launch.views) {
    const view: View | undefined = launch.views[name];
    if (view !== undefined) views[name] = real(view);
  }
  return { kernel: launch.kernel, facts: launch.facts, views };
}

/** As the device prepared it that this is a part of. */
function realProgram<Shape>(program: Program<Shape>): Program<Shape> {
  return (program as PartProgram<Shape>).real;
}
