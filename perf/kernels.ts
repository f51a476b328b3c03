// Where a step's time goes, kernel by kernel: every launch is run by itself and waited for.
// It stands between the engine and its device. Each time is less what an empty run takes; what a kernel gains by running
// right behind another is not in it. Launches under 0.1 ms are below what the wait can tell.
// Usage: node dist/perf/kernels.js [--model smollm2|nano] [--routing base|adapter|routed] [--batch N] [--prompt N]
//   [--device gpu|cpu]

import { parseArgs } from "node:util";
import type { Device, Launch, Program } from "../engine/device/device.ts";
import type { View } from "../engine/device/memory.ts";
import { Engine } from "../engine/engine.ts";
import type { DeviceChoice } from "../engine/host.ts";
import { nodeHost } from "../node/host.ts";
import { openPreset } from "../node/presets.ts";
import type { Routing } from "../proto/api.ts";
import type { LinearFacts } from "../shaders/layer/linear.ts";

const DECODE_TOKENS = 24;
const EMPTY_RUNS = 50;

const ROUTINGS: Record<string, Routing> = { base: {}, adapter: { adapter: "sql" }, routed: { mixture: "default" } };

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "smollm2" },
    routing: { type: "string", default: "base" },
    batch: { type: "string", default: "1" },
    prompt: { type: "string", default: "8" },
    device: { type: "string", default: "auto" },
  },
});

/** Time of each kernel in one step, in milliseconds, and how often it was launched. */
type StepTimes = Map<string, { ms: number; launches: number }>;

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

/** A device that times every launch; steps do not run ahead, since the host waits in between. */
class Profiler implements Device {
  readonly steps: StepTimes[] = [];
  readonly #real: Device;
  /** Milliseconds that running nothing takes. */
  readonly #empty: number;

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
    this.#real.write(view, data, at);
  }
  zero(view: View): void {
    this.#real.zero(view);
  }
  copy(from: View, to: View): void {
    this.#real.copy(from, to);
  }
  idle(): Promise<void> {
    return this.#real.idle();
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

  async run<Shape>(programs: readonly Program<Shape>[], shape: Shape, read?: readonly View[]): Promise<ArrayBuffer> {
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

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}

function show(title: string, steps: readonly StepTimes[]): void {
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

const routing = ROUTINGS[flags.routing];
if (routing === undefined || (flags.model !== "smollm2" && flags.model !== "nano"))
  throw new Error("--model is smollm2 or nano; --routing is base, adapter or routed");
const host = nodeHost();
const profiler = await Profiler.create(await host.openDevice({ device: flags.device as DeviceChoice }));
const engine = await Engine.load({ ...host, openDevice: async () => profiler }, await openPreset(flags.model));
const requests = Array.from({ length: Number(flags.batch) }, (_, salt) => ({
  ids: Array.from({ length: Number(flags.prompt) }, (_, i) => 20 + ((i * 37 + salt * 101) % 4000)),
  maxTokens: DECODE_TOKENS,
  ignoreEos: true,
  ...routing,
}));
const drain = async (request: (typeof requests)[number]) => {
  for await (const _ of engine.generate(request));
};
await Promise.all(requests.map(drain)); // shaders compiled
const from = profiler.steps.length;
await Promise.all(requests.map(drain));
const steps = profiler.steps.slice(from);
show(`${flags.model} ${flags.routing}, prompts of ${flags.prompt}: first step`, steps.slice(0, 1));
show(`${flags.model} ${flags.routing}, ${flags.batch} together: decode`, steps.slice(-DECODE_TOKENS + 2));
await engine.close();
process.exit(0);
