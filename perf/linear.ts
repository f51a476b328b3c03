// Speed of the linear kernel on SmolLM2-135M's shapes: GFLOP/s by format, activations and tokens of a step.
// It knows nothing of the model around it. Forms that the device has no kernel for are left out.
// Usage: node dist/perf/linear.js [format:activations …] [--device gpu|cpu] [--rounds N]

import { parseArgs } from "node:util";
import type { Device, Program } from "../engine/device/device.ts";
import type { DeviceChoice } from "../engine/host.ts";
import { uploadLinear } from "../engine/model/linear_weights.ts";
import { STORED, type StoredType } from "../files/weights/stored/formats.ts";
import type { StoredTensor } from "../files/weights/tensor.ts";
import { openNodeDevice } from "../node/device.ts";
import type { ActivationForm, DeviceFormat } from "../shaders/formats/device_format.ts";
import { launch } from "../shaders/kernel.ts";
import { linear } from "../shaders/layer/linear.ts";
import { STEP, type StepShape } from "../shaders/step.ts";
import { wordBuffer } from "../shaders/struct.ts";

/** [rows, cols] of qkv, o, gate|up, down and the output head. */
const SHAPES = [
  [960, 576],
  [576, 576],
  [3072, 576],
  [576, 1536],
  [49152, 576],
] as const;
const TOKENS = [1, 4, 16, 64];
const FORMS = ["q4:q8", "q4:f32", "q8_0:q8", "q8_0:f32", "f16:f32", "f32:f32"];
/** Aimed-at length of one measurement. */
const ROUND_MS = 20;
/** Stored types that lie on the device as a format. */
const STORED_AS: Record<DeviceFormat, StoredType> = {
  f32: "f32",
  f16: "f16",
  q8_0: "q8_0",
  q4: "q4_1",
  q5: "q5_1",
  q4_k: "q4_k",
  q6_k: "q6_k",
};

interface Contest {
  label: string;
  /** One launch. */
  flop: number;
  repeat: number;
  program: Program;
  shape: StepShape;
  /** Milliseconds a launch, one a round: the wall clock, and the process's processor time over its threads. */
  wall: number[];
  processor: number[];
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { device: { type: "string", default: "auto" }, rounds: { type: "string", default: "7" } },
});
await main(positionals.length > 0 ? positionals : FORMS);

/** All contestants take turns, so that a busy machine is as unkind to each; medians are printed. */
async function main(forms: readonly string[]): Promise<void> {
  for (const form of forms) {
    const device = await openNodeDevice({ device: flags.device as DeviceChoice });
    const [format, activations] = form.split(":") as [DeviceFormat, ActivationForm];
    const contests: Contest[] = [];
    const shapes = activations === "q8" && !device.wishes.int8Activations ? [] : SHAPES;
    for (const [rows, cols] of shapes) contests.push(...(await prepare(device, format, activations, rows, cols)));
    for (let round = 0; round < Number(flags.rounds); round++)
      for (const contest of contests) await measure(device, contest);
    for (const contest of contests) print(form, contest);
    await device.close();
  }
}

/** One contest for each of TOKENS, all over the same weights. */
async function prepare(
  device: Device,
  format: DeviceFormat,
  activations: ActivationForm,
  rows: number,
  cols: number,
): Promise<Contest[]> {
  const { shards } = await uploadLinear(device, [zeros(STORED_AS[format], rows, cols)], "auto");
  const { quants, scales } = shards[0]!;
  const most = Math.max(...TOKENS);
  const views = {
    quants,
    scales,
    x: device.allocate("x", most * cols * 4),
    xq: device.allocate("xq", most * cols),
    xs: device.allocate("xs", most * cols),
    y: device.allocate("y", most * rows * 4),
  };
  const contests: Contest[] = [];
  for (const tokens of TOKENS) {
    const step = device.allocate("step", STEP.bytes, "uniform");
    const words = wordBuffer(STEP.bytes);
    STEP.write(words, 0, { tokens, sequences: 1, rows: 1 });
    device.write(step, words.words);
    const facts = { format, activations, rows, cols, tokens };
    const contest: Contest = {
      label: `${rows}x${cols} T=${tokens}`,
      flop: 2 * rows * cols * tokens,
      repeat: 1,
      program: await device.prepare([launch(linear, facts, { step, ...views })]),
      shape: {
        tokens,
        sequences: 1,
        rows: 1,
        entries: 0,
        maxRank4: 0,
        adapters: 0,
        routed: false,
        gateWidth: 0,
      },
      wall: [],
      processor: [],
    };
    await measure(device, contest);
    await measure(device, contest);
    contest.repeat = Math.max(1, Math.min(100, Math.round(ROUND_MS / contest.wall[1]!)));
    contest.wall = [];
    contest.processor = [];
    contests.push(contest);
  }
  return contests;
}

/** Zeros: no unit here is faster for them, and no value is out of range. */
function zeros(type: StoredType, rows: number, cols: number): StoredTensor {
  const rowBytes = (cols / STORED[type].elements) * STORED[type].bytes;
  return {
    name: `zeros ${type}`,
    type,
    shape: [rows, cols],
    bytes: rows * rowBytes,
    readRows: async (from, to) => new Uint8Array((to - from) * rowBytes),
  };
}

async function measure(device: Device, contest: Contest): Promise<void> {
  const programs = Array.from({ length: contest.repeat }, () => contest.program);
  const wall = performance.now();
  const processor = process.cpuUsage();
  await device.run(programs, contest.shape);
  const { user, system } = process.cpuUsage(processor);
  contest.wall.push((performance.now() - wall) / contest.repeat);
  contest.processor.push((user + system) / 1000 / contest.repeat);
}

function print(form: string, { label, flop, wall, processor }: Contest): void {
  const perCore = flop / median(processor) / 1e6;
  const total = flop / median(wall) / 1e6;
  const columns = [form.padEnd(9), label.padEnd(18), median(wall).toFixed(3).padStart(9), total.toFixed(1).padStart(6)];
  console.log(`${columns.join("  ")} GFLOP/s  ${perCore.toFixed(1).padStart(6)} per core`);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
