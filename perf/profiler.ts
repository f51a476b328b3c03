// A device that stands between the engine and the real one and times every launch by itself, and tables of what it found.
// Each time is less what an empty run takes; what a kernel gains by running right behind another is not in it. Launches
// under 0.1 ms are below what the wait can tell.

import type { Device, Launch, Program } from "../engine/device/device.ts";
import type { View } from "../engine/device/memory.ts";
import type { LinearFacts } from "../shaders/layer/linear.ts";

const EMPTY_RUNS = 50;

/** Time of each kernel in one step, in milliseconds, and how often it was launched. */
export type StepTimes = Map<string, { ms: number; launches: number }>;

/** A program that can be run launch by launch. */
class SplitProgram<Shape> implements Program<Shape> {
  readonly parts: readonly { label: string; program: Program<Shape> }[];

  constructor(parts: readonly { label: string; program: Program<Shape> }[]) {
    this.parts = parts;
  }

  count(shape: Shape): number {
    return this.parts.reduce((sum, { program }) => sum + program.count(shape), 0);
  }
}

/** Steps do not run ahead, since the host waits in between. */
export class Profiler implements Device {
  readonly steps: StepTimes[] = [];
  readonly #real: Device;
  /** Milliseconds that running nothing takes. */
  readonly #empty: number;
  /** What was asked for last: runs may be asked for without waiting, and what follows must see what they did. */
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;

  static async create(real: Device): Promise<Profiler> {
    const empty: number[] = [];
    for (let i = 0; i < EMPTY_RUNS; i++) empty.push(await elapsed(() => real.idle()));
    return new Profiler(real, median(empty));
  }

  private constructor(real: Device, empty: number) {
    this.#real = real;
    this.#empty = empty;
  }

  get kind() {
    return this.#real.kind;
  }
  get description() {
    return this.#real.description;
  }
  get limits() {
    return this.#real.limits;
  }
  get wishes() {
    return { ...this.#real.wishes, stepsAhead: 0 };
  }
  get bytes() {
    return this.#real.bytes;
  }

  allocate(label: string, bytes: number, use?: "storage" | "uniform"): View {
    return this.#real.allocate(label, bytes, use);
  }
  write(view: View, data: ArrayBufferView<ArrayBuffer>, at?: number): void {
    const kept = new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
    this.#behind(() => this.#real.write(view, kept, at));
  }
  zero(view: View): void {
    this.#behind(() => this.#real.zero(view));
  }
  copy(from: View, to: View): void {
    this.#behind(() => this.#real.copy(from, to));
  }
  async idle(): Promise<void> {
    await this.#last;
    await this.#real.idle();
  }
  discard<Shape>(program: Program<Shape>): void {
    for (const part of (program as SplitProgram<Shape>).parts) this.#real.discard(part.program);
  }
  free(view: View): void {
    this.#real.free(view);
  }
  close(): Promise<void> {
    return this.#real.close();
  }

  async prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>> {
    const parts = launches.map(async (launch) => ({
      label: labelOf(launch),
      program: await this.#real.prepare([launch]),
    }));
    return new SplitProgram(await Promise.all(parts));
  }

  #runAlone<Shape>(program: Program<Shape>, shape: Shape): Promise<void> {
    this.#real.run([program], shape);
    return this.#real.idle();
  }

  run<Shape>(programs: readonly Program<Shape>[], shape: Shape, read?: readonly View[]): Promise<ArrayBuffer> {
    this.#pending++;
    const result = this.#last.then(() => this.#runSplit(programs, shape, read)).finally(() => this.#pending--);
    this.#last = result.catch(() => {});
    return result;
  }

  /** At once where nothing runs. */
  #behind(work: () => void): void {
    if (this.#pending === 0) work();
    else this.#last = this.#last.then(work);
  }

  async #runSplit<Shape>(
    programs: readonly Program<Shape>[],
    shape: Shape,
    read?: readonly View[],
  ): Promise<ArrayBuffer> {
    const times: StepTimes = new Map();
    for (const { label, program } of programs.flatMap((program) => (program as SplitProgram<Shape>).parts)) {
      if (program.count(shape) === 0) continue;
      const ms = Math.max(0, (await elapsed(() => this.#runAlone(program, shape))) - this.#empty);
      const before = times.get(label) ?? { ms: 0, launches: 0 };
      times.set(label, { ms: before.ms + ms, launches: before.launches + 1 });
    }
    if (times.size > 0) this.steps.push(times);
    return this.#real.run([], shape, read);
  }
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** The kernel's name; linear layers by what makes them differ. */
function labelOf<Shape>({ kernel, facts }: Launch<Shape>): string {
  if (kernel.name !== "linear") return kernel.name;
  const { format, activations, rows, cols, shrink } = facts as LinearFacts;
  return `linear ${format} ${activations} ${rows}×${cols}${shrink === undefined ? "" : " shrink"}`;
}

export function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}

export function show(title: string, steps: readonly StepTimes[]): void {
  const labels = [...new Set(steps.flatMap((step) => [...step.keys()]))];
  const rows = labels.map((label) => ({
    label,
    ms: median(steps.map((step) => step.get(label)?.ms ?? 0)),
    launches: median(steps.map((step) => step.get(label)?.launches ?? 0)),
  }));
  const total = rows.reduce((sum, { ms }) => sum + ms, 0);
  console.log(`\n${title}: median of ${steps.length} steps, ${total.toFixed(1)} ms launch by launch`);
  for (const { label, ms, launches } of rows.sort((a, b) => b.ms - a.ms)) {
    const share = ((100 * ms) / total).toFixed(1);
    const each = ((1000 * ms) / launches).toFixed(0);
    console.log(`${label.padEnd(36)} ${ms.toFixed(2).padStart(8)} ms ${share.padStart(5)} %  ${launches} × ${each} µs`);
  }
}
