// The CPU behind the device's door: one memory that threads share, kernels in WebAssembly, a queue.

import { MoloraError } from "../../proto/errors.ts";
import { alignUp } from "../../shaders/alignment.ts";
import type { Device, DeviceLimits, DeviceWishes, Launch, Program } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { COMMAND_WORDS, CONTROL_BYTES } from "./control.ts";
import { type Crew, InlineCrew, type StartThread, ThreadCrew } from "./crew.ts";
import { type CpuBuffer, CpuMemory } from "./memory.ts";
import { type ArgumentTable, createMemory, type KernelModule } from "./module.ts";
import { bindLaunch, CpuProgram, commandsOf } from "./program.ts";
import { Thread, type ThreadSetup } from "./worker.ts";

export interface CpuOptions {
  description: string;
  module: KernelModule;
  table: ArgumentTable;
  threads: number;
  /** Cores that the threads have to themselves; with more threads than cores none of them spins. */
  cores: number;
  /** Absent: everything is computed on the caller's thread. */
  start?: StartThread;
}

const MB = 2 ** 20;
/** As shaders/cpu/scratch.cpu.ts promises its kernels. */
const SCRATCH_BYTES = 256 * 1024;
/** About 30 µs: longer than threads wait for each other within a launch, shorter than a wake-up is worth. */
const SPINS = 20_000;

export class CpuDevice implements Device {
  readonly kind = "cpu";
  readonly description: string;
  readonly limits: DeviceLimits = { viewBytes: 2 ** 31 };
  readonly wishes: DeviceWishes = {
    poolBytes: 512 * MB,
    stepsAhead: 0,
    segments: false,
    preparesAhead: true,
    panelRows: 8,
    int8Activations: true,
  };
  readonly #memory: CpuMemory;
  readonly #table: ArgumentTable;
  readonly #bodies: readonly string[];
  /** Their places in that list. */
  readonly #places: ReadonlyMap<string, number>;
  readonly #crew: Crew;
  #list: CpuBuffer;
  /** The last thing that was asked for; undefined when all is done. */
  #last: Promise<unknown> | undefined;
  /** What went wrong in work that nobody waited for. */
  #failure: { error: unknown } | undefined;
  #closed = false;
  #bytes = 0;

  constructor({ description, module, table, threads, cores, start }: CpuOptions) {
    const memory = createMemory(64);
    this.description = description;
    this.#table = table;
    this.#bodies = Object.keys(table);
    this.#places = new Map(this.#bodies.map((body, place) => [body, place]));
    this.#memory = new CpuMemory(memory, CONTROL_BYTES);
    this.#list = this.#memory.take("commands", 4096);
    const setups = Array.from({ length: threads }, (_, thread): ThreadSetup => {
      const scratch = this.#memory.take("scratch", SCRATCH_BYTES).address;
      return { module, memory, bodies: this.#bodies, thread, threads, scratch, spins: threads > cores ? 0 : SPINS };
    });
    this.#crew =
      start === undefined
        ? new InlineCrew(memory, new Thread({ ...setups[0], threads: 1 }), this.#bodies)
        : new ThreadCrew(memory, setups, start);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get threads(): number {
    return this.#crew.threads;
  }

  allocate(label: string, bytes: number): View {
    if (bytes > this.limits.viewBytes) {
      throw new MoloraError(
        "gpu_limit",
        `${label}: ${bytes} bytes, the CPU device takes at most ${this.limits.viewBytes}`,
        {
          remedy: "Use a smaller context, batch or model, or a GPU.",
        },
      );
    }
    const size = Math.max(16, alignUp(bytes, 16));
    const buffer = this.#memory.take(label, size);
    this.#bytes += buffer.size;
    return { buffer, offset: 0, size };
  }

  write(view: View, data: ArrayBufferView<ArrayBuffer>, at = 0): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (at + bytes.length > view.size) throw new RangeError(`${view.buffer.label}: written past its end`);
    // What is asked for while something runs must wait, and the caller may use its data again meanwhile.
    const kept = this.#last === undefined ? bytes : bytes.slice();
    this.#enqueue(() => this.#bytesOf(view).set(kept, at));
  }

  zero(view: View): void {
    this.#enqueue(() => this.#bytesOf(view).fill(0));
  }

  copy(from: View, to: View): void {
    const size = Math.min(from.size, to.size);
    this.#enqueue(() => this.#bytesOf(to).set(this.#bytesOf(from).subarray(0, size)));
  }

  async prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>> {
    const bound = launches.map((launch) => bindLaunch(launch, this.#table));
    const words = bound.flat().map(({ words }) => words);
    const args = this.#memory.take("arguments", 4 * words.reduce((sum, { length }) => sum + length, 0));
    const memory = new Uint32Array(this.#memory.memory.buffer);
    let address = args.address;
    const place = (argumentWords: Uint32Array) => {
      const at = address;
      memory.set(argumentWords, at / 4);
      address += 4 * argumentWords.length;
      return at;
    };
    return new CpuProgram(
      bound.map((bodies) =>
        bodies.map(({ body, words: argumentWords }) => ({
          body: this.#places.get(body.body)!,
          args: place(argumentWords),
          items: body.items,
        })),
      ),
      args,
    );
  }

  run<Shape>(programs: readonly Program<Shape>[], shape: Shape, read: readonly View[] = []): Promise<ArrayBuffer> {
    const commands = commandsOf(programs as readonly CpuProgram<Shape>[], shape, this.threads);
    const compute = async () => {
      if (commands.length > 0) await this.#compute(commands);
    };
    if (read.length === 0) {
      this.#enqueueUnread(compute);
      return Promise.resolve(new ArrayBuffer(0));
    }
    // One piece of work: nothing overwrites what is about to be read.
    return this.#enqueueAsync(async () => {
      await compute();
      this.#tellFailure();
      return this.#read(read);
    });
  }

  async idle(): Promise<void> {
    await this.#enqueueAsync(async () => this.#tellFailure());
  }

  discard<Shape>(program: Program<Shape>): void {
    const { args } = program as CpuProgram<Shape>;
    this.#enqueue(() => this.#memory.give(args));
  }

  free({ buffer }: View): void {
    this.#enqueue(() => {
      if (this.#memory.give(buffer as CpuBuffer)) this.#bytes -= buffer.size;
    });
  }

  async close(): Promise<void> {
    await this.idle().catch(() => {});
    this.#closed = true;
    this.#bytes = 0;
    this.#crew.close();
  }

  #read(views: readonly View[]): ArrayBuffer {
    const out = new Uint8Array(views.reduce((sum, { size }) => sum + size, 0));
    let at = 0;
    for (const view of views) {
      out.set(this.#bytesOf(view), at);
      at += view.size;
    }
    return out.buffer;
  }

  async #compute(commands: Uint32Array): Promise<void> {
    const bytes = 4 * commands.length;
    if (bytes > this.#list.size) {
      this.#memory.give(this.#list);
      this.#list = this.#memory.take("commands", 2 * bytes);
    }
    new Uint32Array(this.#memory.memory.buffer).set(commands, this.#list.address / 4);
    await this.#crew.compute(this.#list.address, commands.length / COMMAND_WORDS);
  }

  #bytesOf({ buffer, offset, size }: View): Uint8Array {
    return new Uint8Array(this.#memory.memory.buffer, (buffer as CpuBuffer).address + offset, size);
  }

  /** At once where nothing is under way. */
  #enqueue(work: () => void): void {
    if (this.#last === undefined) work();
    else this.#enqueueUnread(async () => work());
  }

  /** Behind everything that was asked for, whether that went well or not. */
  #enqueueAsync<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new MoloraError("engine_closed", "the device is closed");
    const before = this.#last;
    const mine: Promise<T> = (before === undefined ? work() : before.then(work, work)).finally(() => {
      if (this.#last === mine) this.#last = undefined;
    });
    mine.catch(() => {});
    this.#last = mine;
    return mine;
  }

  #enqueueUnread(work: () => Promise<void>): void {
    this.#enqueueAsync(work).catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  /** Of work that nobody waited for: told once. */
  #tellFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }
}
