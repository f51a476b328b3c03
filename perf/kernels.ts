// Where a step's time goes, kernel by kernel: every launch in a pass of its own, between two timestamps.
// It stands between the engine and its device, so that no kernel is changed.
// Usage: node dist/perf/kernels.js [--model smollm2|nano] [--routing base|adapter|routed] [--batch N] [--prompt N]

import { parseArgs } from "node:util";
import { Engine } from "../engine/engine.ts";
import { nodeHost } from "../node/host.ts";
import { openPreset } from "../node/presets.ts";
import type { Routing } from "../proto/api.ts";

const MOST_LAUNCHES = 1024;
const DECODE_TOKENS = 24;

const ROUTINGS: Record<string, Routing> = { base: {}, adapter: { adapter: "sql" }, routed: { mixture: "default" } };

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "smollm2" },
    routing: { type: "string", default: "base" },
    batch: { type: "string", default: "1" },
    prompt: { type: "string", default: "8" },
  },
});

/** Time of each kernel in one step, in milliseconds, and how often it was launched. */
type StepTimes = Map<string, { ms: number; launches: number }>;

/** Hands out command encoders that time every dispatch; nothing else of the device changes. */
class Profiler {
  readonly device: GPUDevice;
  readonly steps: Promise<StepTimes>[] = [];
  readonly #real: GPUDevice;
  readonly #queries: GPUQuerySet;

  constructor(device: GPUDevice) {
    this.#real = device;
    this.#queries = device.createQuerySet({ type: "timestamp", count: 2 * MOST_LAUNCHES });
    this.device = this.#standIn(device, { createCommandEncoder: () => this.#encoder() });
  }

  #standIn<T extends object>(real: T, instead: Partial<T>): T {
    return new Proxy(real, {
      get: (target, key) => {
        if (key in instead) return instead[key as keyof T];
        const value = Reflect.get(target, key, target) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  #encoder(): GPUCommandEncoder {
    const encoder = this.#real.createCommandEncoder();
    const labels: string[] = [];
    const finish = () => {
      const commands = encoder.finish();
      if (labels.length > 0) queueMicrotask(() => this.steps.push(this.#times(labels)));
      return commands;
    };
    return this.#standIn(encoder, { beginComputePass: () => this.#pass(encoder, labels), finish });
  }

  #pass(encoder: GPUCommandEncoder, labels: string[]): GPUComputePassEncoder {
    let pipeline: GPUComputePipeline;
    let group: GPUBindGroup;
    const at = () => 2 * labels.length;
    const pass: Partial<GPUComputePassEncoder> = {
      setPipeline: (next: GPUComputePipeline) => {
        pipeline = next;
      },
      setBindGroup: (_: number, next: GPUBindGroup) => {
        group = next;
      },
      dispatchWorkgroups: (x: number, y?: number, z?: number) => {
        const timestampWrites = {
          querySet: this.#queries,
          beginningOfPassWriteIndex: at(),
          endOfPassWriteIndex: at() + 1,
        };
        const real = encoder.beginComputePass({ timestampWrites });
        real.setPipeline(pipeline);
        real.setBindGroup(0, group);
        real.dispatchWorkgroups(x, y, z);
        real.end();
        labels.push(pipeline.label);
      },
      end: () => {},
    };
    return pass as GPUComputePassEncoder;
  }

  async #times(labels: readonly string[]): Promise<StepTimes> {
    const size = 16 * labels.length;
    const resolved = this.#real.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const mapped = this.#real.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    const encoder = this.#real.createCommandEncoder();
    encoder.resolveQuerySet(this.#queries, 0, 2 * labels.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, mapped, 0, size);
    this.#real.queue.submit([encoder.finish()]);
    await mapped.mapAsync(GPUMapMode.READ);
    const stamps = new BigUint64Array(mapped.getMappedRange());
    const times: StepTimes = new Map();
    for (const [i, label] of labels.entries()) {
      const { ms, launches } = times.get(label) ?? { ms: 0, launches: 0 };
      times.set(label, { ms: ms + Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6, launches: launches + 1 });
    }
    mapped.destroy();
    resolved.destroy();
    return times;
  }
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
  console.log(`\n${title}: median of ${steps.length} steps, ${total.toFixed(1)} ms on the device`);
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
let profiler: Profiler | undefined;
const openGpu: typeof host.openGpu = async () => {
  const opened = await host.openGpu();
  profiler = new Profiler(opened.device);
  return { ...opened, device: profiler.device };
};
const engine = await Engine.load({ ...host, openGpu }, await openPreset(flags.model));
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
const from = profiler!.steps.length;
await Promise.all(requests.map(drain));
const steps = await Promise.all(profiler!.steps.slice(from));
show(`${flags.model} ${flags.routing}, prompts of ${flags.prompt}: first step`, steps.slice(0, 1));
show(`${flags.model} ${flags.routing}, ${flags.batch} together: decode`, steps.slice(-DECODE_TOKENS + 2));
await engine.close();
process.exit(0);
