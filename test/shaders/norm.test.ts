// RMSNorm without adapters, and what every kernel that ends in int8 blocks leaves beside its floats.
// It knows nothing of LoRA (lora.test.ts).

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Buffers, View } from "../../engine/gpu/buffers.ts";
import type { Gpu } from "../../engine/gpu/gpu.ts";
import { type Grid, launch } from "../../engine/gpu/program.ts";
import { activation, activationGrid } from "../../shaders/activation.ts";
import { attention, attentionGrid, attentionTile } from "../../shaders/attention.ts";
import type { Build } from "../../shaders/compose.ts";
import { finalNorm, finalNormGrid } from "../../shaders/final_norm.ts";
import { loraFragment } from "../../shaders/lora_form.ts";
import { norm, normGrid } from "../../shaders/norm.ts";
import { quantizeGrid, quantizePipeline } from "../../shaders/quantize.ts";
import { LOGIT_ROW_WORDS } from "../../shaders/sample.ts";
import { SEQUENCE_BYTES, STEP_BYTES, type StepShape } from "../../shaders/step.ts";
import { rmsNorm } from "../reference/rmsNorm.ts";
import { checkClose, openTestGpu, randomFloats, run } from "./device.ts";
import { writeStep } from "./linear_case.ts";
import { checkSameBits, Output } from "./outputs.ts";

const TOLERANCE = 1e-5;
const TOKENS = [1, 2, 7, 33, 65];
const NO_LORA = loraFragment("none", { firstModule: 3, rows: [], entries: 1, rank4: 1, maxTokens: 1 });

function shapeOf(tokens: number): StepShape {
  return { tokens, sequences: 1, rows: tokens, entries: 0, maxRank4: 0, adapters: 0, routed: false, gateWidth: 0 };
}

interface Bench {
  gpu: Gpu;
  buffers: Buffers;
}

async function launchOne(
  { gpu }: Bench,
  { kernel, constants }: Build,
  views: Record<string, View>,
  grid: (shape: StepShape) => Grid,
  shape: StepShape,
): Promise<void> {
  run(gpu, [launch(gpu, await gpu.pipelines.get(kernel, constants), views, grid)], shape);
}

function stepOf({ gpu, buffers }: Bench, tokens: number): View {
  const step = buffers.uniform("step", STEP_BYTES);
  writeStep(gpu, step, tokens, tokens, 0);
  return step;
}

for (const hidden of [4, 64, 260, 576]) {
  test(`norm of ${hidden} values: equals float64, with and without the addition`, async () => {
    const bench = await openTestGpu();
    const { gpu, buffers } = bench;
    const weight = randomFloats(hidden, 1);
    for (const tokens of TOKENS) {
      const residual = randomFloats(tokens * hidden, 2).map(
        (value, i) => value * 10 ** ((Math.floor(i / hidden) % 5) - 2),
      );
      const output = randomFloats(tokens * hidden, 3);
      for (const add of [false, true]) {
        const sums = new Output(gpu, buffers, residual.length, residual);
        const x = new Output(gpu, buffers, residual.length);
        const views = {
          step: stepOf(bench, tokens),
          residual: sums.view,
          output: buffers.from("o", output),
          x: x.view,
        };
        const build = norm({ hidden, eps: 1e-5, add, lora: NO_LORA, activations: "f32" });
        await launchOne(bench, build, { ...views, weight: buffers.from("w", weight) }, normGrid, shapeOf(tokens));
        const expected = residual.map((value, i) => value + (add ? output[i] : 0));
        checkSameBits(await sums.read(), expected, "residual");
        checkClose(await x.read(), rmsNorm(expected, weight, 1e-5), TOLERANCE);
      }
    }
    buffers.destroy();
  });
}

test("norm keeps a row of zeros, and a row that is alone or among others has the same bits", async () => {
  const bench = await openTestGpu();
  const { gpu, buffers } = bench;
  const hidden = 96;
  const weight = buffers.from("w", randomFloats(hidden, 1));
  const rows = randomFloats(3 * hidden, 5);
  rows.fill(0, 0, hidden);
  const normed = async (values: Float32Array<ArrayBuffer>) => {
    const tokens = values.length / hidden;
    const x = new Output(gpu, buffers, values.length);
    const residual = new Output(gpu, buffers, values.length, values);
    const views = { step: stepOf(bench, tokens), residual: residual.view, output: weight, weight, x: x.view };
    const build = norm({ hidden, eps: 1e-5, add: false, lora: NO_LORA, activations: "f32" });
    await launchOne(bench, build, views, normGrid, shapeOf(tokens));
    return x.read();
  };
  const all = await normed(rows);
  assert.ok(all.subarray(0, hidden).every((value) => value === 0));
  checkSameBits(all.subarray(2 * hidden), await normed(rows.slice(2 * hidden)), "the last row");
  buffers.destroy();
});

/** Kernels that end in int8 blocks: run with `x`, `xq`, `xs` among the views; x has `cols` values a token. */
const FINISHERS: Record<string, (bench: Bench, tokens: number, quants: Record<string, View>) => Promise<void>> = {
  async norm(bench, tokens, quants) {
    const { gpu, buffers } = bench;
    const residual = new Output(gpu, buffers, tokens * COLS, randomFloats(tokens * COLS, 5));
    const weight = buffers.from("w", randomFloats(COLS, 6));
    const build = norm({ hidden: COLS, eps: 1e-5, add: false, lora: NO_LORA, activations: "q8" });
    const views = { step: stepOf(bench, tokens), residual: residual.view, output: weight, weight, ...quants };
    await launchOne(bench, build, views, normGrid, shapeOf(tokens));
  },
  async final_norm(bench, tokens, quants) {
    const { buffers } = bench;
    const rows = new Uint32Array(tokens * LOGIT_ROW_WORDS).map((_, i) => tokens - 1 - Math.floor(i / LOGIT_ROW_WORDS));
    const build = finalNorm({ hidden: COLS, eps: 1e-5, lora: NO_LORA, activations: "q8" });
    const views = {
      step: stepOf(bench, tokens),
      logit_rows: buffers.from("rows", rows),
      residual: buffers.from("residual", randomFloats(tokens * COLS, 5)),
      output: buffers.from("output", randomFloats(tokens * COLS, 6)),
      weight: buffers.from("w", randomFloats(COLS, 7)),
      ...quants,
    };
    await launchOne(bench, build, views, finalNormGrid, shapeOf(tokens));
  },
  async activation(bench, tokens, quants) {
    const gate_up = bench.buffers.from("gate up", randomFloats(tokens * 2 * COLS, 8));
    const build = activation({ ffn: COLS, lora: NO_LORA, activations: "q8" });
    await launchOne(
      bench,
      build,
      { step: stepOf(bench, tokens), gate_up, ...quants },
      activationGrid(COLS),
      shapeOf(tokens),
    );
  },
  async attention(bench, tokens, quants) {
    const { buffers } = bench;
    const heads = { numHeads: COLS / 32, numKvHeads: 1, headDim: 32 };
    const words = Array.from({ length: tokens }, (_, t) => [0, t % 16, 0, 0]);
    const views = {
      step: stepOf(bench, tokens),
      tokens: buffers.from("tokens", new Uint32Array(words.flat())),
      sequences: buffers.storage("sequences", SEQUENCE_BYTES),
      blocks: buffers.storage("blocks", 4),
      q: buffers.from("q", randomFloats(tokens * COLS, 9)),
      pool: buffers.from("pool", randomFloats(2 * 16 * 32, 10)),
      ...quants,
    };
    const tile = attentionTile(heads, tokens);
    await launchOne(bench, attention(heads, "q8", tile), views, attentionGrid(heads.numHeads, tile), shapeOf(tokens));
  },
};
/** Fills no whole number of workgroups anywhere. */
const COLS = 288;

for (const [name, finish] of Object.entries(FINISHERS)) {
  test(`${name}: its int8 blocks are those of the quantize kernel`, async () => {
    const bench = await openTestGpu();
    const { gpu, buffers } = bench;
    for (const tokens of [1, 7, 33]) {
      const output = () => ({
        xq: new Output(gpu, buffers, (tokens * COLS) / 4),
        xs: new Output(gpu, buffers, (tokens * COLS) / 16),
      });
      const x = new Output(gpu, buffers, tokens * COLS);
      const [own, expected] = [output(), output()];
      await finish(bench, tokens, { x: x.view, xq: own.xq.view, xs: own.xs.view });
      const views = { step: stepOf(bench, tokens), x: x.view, xq: expected.xq.view, xs: expected.xs.view };
      run(gpu, [launch(gpu, await quantizePipeline(gpu, COLS), views, quantizeGrid(COLS))], shapeOf(tokens));
      assert.ok((await x.read()).every(Number.isFinite));
      assert.deepEqual(await own.xq.readWords(), await expected.xq.readWords());
      checkSameBits(await own.xs.read(), await expected.xs.read(), "scales");
    }
    buffers.destroy();
  });
}
