// Speed of the linear kernel on SmolLM2-135M's shapes: GFLOP/s by format, activations and tokens of a step.
// Usage: node dist/perf/linear.js [format:activations …] [--tiles] [--rounds N]

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Buffers } from "../engine/gpu/buffers.ts";
import { Gpu } from "../engine/gpu/gpu.ts";
import { encode, type Launch, launch } from "../engine/gpu/program.ts";
import { readView } from "../engine/gpu/readback.ts";
import { PLANE_BYTES } from "../files/weights/stored/linear_repack.ts";
import { openGpuDevice } from "../node/gpu.ts";
import type { ActivationForm } from "../shaders/activation_form.ts";
import { type DeviceFormat, linearGrid, linearPipeline, linearTile, type Tile } from "../shaders/linear.ts";
import { STEP_BYTES } from "../shaders/step.ts";

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
/** What --tiles compares, at the gate|up shape. */
const TILES = [1, 2, 4, 8].flatMap((rows) => [1, 2, 4, 8].map((tokens) => ({ rows, tokens })));

interface Contest {
  label: string;
  /** One launch. */
  flop: number;
  repeat: number;
  launch: Launch<Shape>;
  shape: Shape;
  /** Milliseconds a launch, one a round: the wall clock, and the process's processor time over its threads. */
  wall: number[];
  processor: number[];
}

interface Shape {
  tokens: number;
  rows: number;
  entries: number;
  maxRank4: number;
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { tiles: { type: "boolean", default: false }, rounds: { type: "string", default: "7" } },
});
await main(positionals.length > 0 ? positionals : FORMS);

/** All contestants take turns, so that a busy machine is as unkind to each; medians are printed. */
async function main(forms: readonly string[]): Promise<void> {
  const opened = await openGpuDevice({ validate: false });
  const readText = (url: string) => readFile(fileURLToPath(url), "utf8");
  const gpu = new Gpu({ device: opened.device, isSoftware: opened.isSoftware, readText });
  for (const form of forms) {
    const [format, activations] = form.split(":") as [DeviceFormat, ActivationForm];
    const buffers = new Buffers(gpu);
    const contests: Contest[] = [];
    const shapes = flags.tiles ? [SHAPES[2]] : SHAPES;
    for (const [rows, cols] of shapes) {
      for (const tokens of TOKENS) {
        const tiles = flags.tiles ? TILES.filter((t) => t.tokens <= tokens) : [linearTile(gpu.body, format, tokens)];
        for (const tile of tiles) {
          contests.push(await prepare(gpu, buffers, { format, activations, rows, cols, tile }, tokens));
        }
      }
    }
    for (let round = 0; round < Number(flags.rounds); round++)
      for (const contest of contests) await measure(gpu, buffers, contest);
    for (const contest of contests) print(form, contest);
    buffers.destroy();
  }
  opened.close();
}

async function prepare(
  gpu: Gpu,
  buffers: Buffers,
  facts: { format: DeviceFormat; activations: ActivationForm; rows: number; cols: number; tile: Tile },
  tokens: number,
): Promise<Contest> {
  const { format, activations, rows, cols, tile } = facts;
  const bytes = PLANE_BYTES[format](cols);
  const step = buffers.uniform("step", STEP_BYTES);
  gpu.queue.writeBuffer(step.buffer, step.offset, new Uint32Array([tokens, 1, 1, 0]));
  // Zeros: no unit here is faster for them, and no value is out of range.
  const views = {
    step,
    quants: buffers.storage("quants", rows * bytes.quants),
    scales: buffers.storage("scales", rows * bytes.scales),
    x: buffers.storage("x", tokens * cols * (activations === "q8" ? 1 : 4)),
    xs: buffers.storage("xs", (tokens * cols) / 4),
    y: buffers.storage("y", tokens * rows * 4),
  };
  const contest: Contest = {
    label: `${rows}x${cols} T=${tokens} tile ${tile.rows}x${tile.tokens}`,
    flop: 2 * rows * cols * tokens,
    repeat: 1,
    launch: launch(gpu, await linearPipeline(gpu, facts), views, linearGrid(gpu, facts)),
    shape: { tokens, rows: 0, entries: 0, maxRank4: 0 },
    wall: [],
    processor: [],
  };
  await measure(gpu, buffers, contest);
  await measure(gpu, buffers, contest);
  contest.repeat = Math.max(1, Math.min(100, Math.round(ROUND_MS / contest.wall[1])));
  contest.wall = [];
  contest.processor = [];
  return contest;
}

async function measure(gpu: Gpu, buffers: Buffers, contest: Contest): Promise<void> {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let i = 0; i < contest.repeat; i++) encode(pass, [contest.launch], contest.shape);
  pass.end();
  const marker = buffers.storage("marker", 16);
  const wall = performance.now();
  const processor = process.cpuUsage();
  gpu.queue.submit([encoder.finish()]);
  await readView(gpu, marker);
  const { user, system } = process.cpuUsage(processor);
  contest.wall.push((performance.now() - wall) / contest.repeat);
  contest.processor.push((user + system) / 1000 / contest.repeat);
  buffers.free(marker);
}

function print(form: string, { label, flop, wall, processor }: Contest): void {
  const perCore = flop / median(processor) / 1e6;
  const total = flop / median(wall) / 1e6;
  const columns = [form.padEnd(9), label.padEnd(28), median(wall).toFixed(3).padStart(9), total.toFixed(1).padStart(6)];
  console.log(`${columns.join("  ")} GFLOP/s  ${perCore.toFixed(1).padStart(6)} per core`);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
