// Training kernels beyond one tile of their CPU bodies, with rests in every direction, against float64; and that a result's
// bits depend neither on the number of threads nor on the sequences beside its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gqaAttention } from "../../../cli/check/reference/gqa_attention.ts";
import { linear } from "../../../cli/check/reference/linear.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import { uploadLinear } from "../../../engine/model/linear_weights.ts";
import { openCpuDevice } from "../../../node/cpu.ts";
import { launch } from "../../../shaders/kernel.ts";
import { backwardAttentionKeyValue } from "../../../shaders/training/backward_attention_key_value.ts";
import { backwardAttentionQuery } from "../../../shaders/training/backward_attention_query.ts";
import { backwardBias } from "../../../shaders/training/backward_bias.ts";
import { backwardLinear } from "../../../shaders/training/backward_linear.ts";
import { backwardWeight } from "../../../shaders/training/backward_weight.ts";
import { causalAttention } from "../../../shaders/training/causal_attention.ts";
import { project } from "../../../shaders/training/project.ts";
import { projectBack } from "../../../shaders/training/project_back.ts";
import { PARTIALS, squares } from "../../../shaders/training/squares.ts";
import { checkClose, onEachDevice, randomFloats, run } from "../device.ts";
import { caseBatch, checkGradient, inner, runKernel } from "../kernel_case.ts";
import { randomTensor, valuesOf } from "../linear_case.ts";
import { Output } from "../outputs.ts";
import { stepUniform } from "../step_case.ts";

/** Against the largest value: sums of at most some hundred products, each rounded to f32. */
const TOLERANCE = 2e-5;

/** [rows, cols] to [cols, rows]. */
function transposed(matrix: ArrayLike<number>, rows: number, cols: number): Float64Array {
  return Float64Array.from({ length: rows * cols }, (_, i) => matrix[(i % rows) * cols + Math.floor(i / rows)]);
}

for (const [type, rows, cols] of [
  ["f32", 261, 76],
  ["q4_1", 520, 160],
  ["q5_1", 261, 160],
  ["q4_k", 261, 256],
  ["q6_k", 261, 256],
] as const) {
  onEachDevice(`a linear layer's gradient for its input, ${type}, ${rows} rows of ${cols}`, async (device) => {
    const tokens = 131;
    const tensor = randomTensor(type, rows, cols, 3);
    const values = await valuesOf([tensor]);
    const { shards } = await uploadLinear(device, [tensor], "auto");
    const dy = randomFloats(tokens * rows, 5);
    const { shape } = caseBatch([tokens]);
    const dx = new Output(device, tokens * cols);
    const strips = { dy: { stride: rows, offset: 0 }, dx: { stride: cols, offset: 0 } };
    const { format, quants, scales } = shards[0];
    const views = { step: stepUniform(device, shape), quants, scales, dy: allocateFrom(device, "dy", dy), dx: dx.view };
    await run(device, [launch(backwardLinear, { format, rows, cols, ...strips, add: false }, views)], shape);
    const expected = linear(Float64Array.from(dy), transposed(values, rows, cols), tokens, rows, cols);
    checkClose(await dx.read(), expected, TOLERANCE);
  });
}

onEachDevice("a small matrix of many rows, columns and tokens: forward and its gradients", async (device) => {
  const [rows, cols, tokens] = [68, 132, 150];
  const strip = { stride: cols, offset: 0 };
  const { shape, step } = caseBatch([tokens]);
  const weight = randomFloats(rows * cols, 1);
  const x = randomFloats(tokens * cols, 2);
  const u = randomFloats(tokens * rows, 3);
  const bias = new Float32Array(rows);
  const wide = Float64Array.from(x);

  const forward = { step, weight, bias, x, y: new Float32Array(tokens * rows) };
  const { y } = await runKernel(device, project, { rows, cols, x: strip, bias: true }, shape, forward);
  checkClose(y, linear(wide, Float64Array.from(weight), tokens, cols, rows), TOLERANCE);

  const back = { step, weight, dy: u, dx: new Float32Array(tokens * cols) };
  const { dx } = await runKernel(device, projectBack, { rows, cols, dx: strip, add: false }, shape, back);
  checkClose(dx, linear(Float64Array.from(u), transposed(weight, rows, cols), tokens, rows, cols), TOLERANCE);

  const { dw } = await runKernel(device, backwardWeight, { rows, cols, x: strip }, shape, {
    step,
    u,
    x,
    dw: new Float32Array(rows * cols),
  });
  const [byRow, byColumn] = [transposed(u, tokens, rows), transposed(x, tokens, cols)];
  checkClose(dw, linear(byRow, byColumn, rows, tokens, cols), TOLERANCE);
});

onEachDevice(
  "the transpose of a small matrix where some or all rows of neighbouring tokens are zeros",
  async (device) => {
    const [rows, cols, tokens] = [22, 20, 30];
    const { shape, step } = caseBatch([tokens]);
    const weight = randomFloats(rows * cols, 1);
    const isZero = (t: number, r: number) => (t < 9 && r >= 4 && r < 13) || (t >= 12 && t < 20) || (t >= 20 && r < 20);
    const dy = randomFloats(tokens * rows, 2).map((value, i) => (isZero(Math.floor(i / rows), i % rows) ? 0 : value));
    const before = randomFloats(tokens * cols, 3);
    const product = linear(Float64Array.from(dy), transposed(weight, rows, cols), tokens, rows, cols);
    for (const add of [false, true]) {
      const facts = { rows, cols, dx: { stride: cols, offset: 0 }, add };
      const { dx } = await runKernel(device, projectBack, facts, shape, { step, weight, dy, dx: before.slice() });
      const expected = product.map((value, i) => value + (add ? before[i] : 0));
      checkClose(dx, expected, TOLERANCE);
    }
  },
);

onEachDevice("rows past whole vectors: forward of a small matrix, gradient for its bias", async (device) => {
  const [rows, cols, tokens] = [6, 12, 21];
  const { shape, step } = caseBatch([tokens]);
  const weight = randomFloats(rows * cols, 1);
  const bias = randomFloats(rows, 2);
  const x = randomFloats(tokens * cols, 3);
  const facts = { rows, cols, x: { stride: cols, offset: 0 }, bias: true };
  const y = new Float32Array(tokens * rows);
  const forward = await runKernel(device, project, facts, shape, { step, weight, bias, x, y });
  const product = linear(Float64Array.from(x), Float64Array.from(weight), tokens, cols, rows);
  const expected = product.map((value, i) => value + bias[i % rows]);
  checkClose(forward.y, expected, TOLERANCE);

  const dy = randomFloats(tokens * rows, 4);
  const before = randomFloats(rows, 5);
  const { db } = await runKernel(device, backwardBias, { rows }, shape, { step, dy, db: before.slice() });
  const sums = before.map((value, r) => value + dy.reduce((sum, d, i) => sum + (i % rows === r ? d : 0), 0));
  checkClose(db, sums, TOLERANCE);
});

onEachDevice("the parts of a sum of squares cover every element once", async (device) => {
  for (const count of [4, 4 * PARTIALS + 12]) {
    const values = randomFloats(count, count);
    const view = allocateFrom(device, "values", values);
    const partials = new Output(device, PARTIALS);
    await run(device, [launch(squares, { count }, { values: view, partials: partials.view })], undefined);
    const sum = (await partials.read()).reduce((all, part) => all + part, 0);
    checkClose([sum], [inner(values, values)], TOLERANCE);
  }
});

const HEADS = { numHeads: 4, numKvHeads: 2, headDim: 24 };
const WIDTH = HEADS.numHeads * HEADS.headDim;
const ROW = (HEADS.numHeads + 2 * HEADS.numKvHeads) * HEADS.headDim;

/** Everything that attention and its gradients leave, for sequences of these lengths. */
async function passes(
  device: Device,
  lengths: readonly number[],
  qkv: Float32Array<ArrayBuffer>,
  d_attended: Float32Array<ArrayBuffer>,
) {
  const { shape, step, tokens, sequences } = caseBatch(lengths);
  const base = { step, tokens, sequences, qkv };
  const empty = { attended: new Float32Array(shape.tokens * WIDTH), lse: new Float32Array(shape.tokens * 4) };
  const forward = await runKernel(device, causalAttention, HEADS, shape, { ...base, ...empty });
  const read = { ...base, ...forward, d_attended };
  const outputs = { delta: new Float32Array(shape.tokens * 4), dqkv: new Float32Array(shape.tokens * ROW) };
  const byQuery = await runKernel(device, backwardAttentionQuery, HEADS, shape, { ...read, ...outputs });
  const { dqkv } = await runKernel(device, backwardAttentionKeyValue, HEADS, shape, { ...read, ...byQuery });
  return { attended: forward.attended, dqkv };
}

/** Of one sequence. */
function attend(qkv: ArrayLike<number>, length: number): Float64Array {
  const part = (offset: number, width: number) =>
    Float64Array.from({ length: length * width }, (_, i) => qkv[Math.floor(i / width) * ROW + offset + (i % width)]);
  const narrow = HEADS.numKvHeads * HEADS.headDim;
  const positions = Array.from({ length }, (_, i) => i);
  return gqaAttention(part(0, WIDTH), part(WIDTH, narrow), part(WIDTH + narrow, narrow), positions, HEADS);
}

onEachDevice("causal attention of a sequence of many tiles: forward and its gradients", async (device) => {
  const length = 77;
  const qkv = randomFloats(length * ROW, 1).map((value) => 2 * value);
  const d_attended = randomFloats(length * WIDTH, 2);
  const { attended, dqkv } = await passes(device, [length], qkv, d_attended);
  checkClose(attended, attend(qkv, length), TOLERANCE);
  checkGradient(dqkv, (at) => inner(attend(at, length), d_attended), qkv, { samples: 100 });
});

test("a sequence's attention and gradients have the same bits beside others, on one thread or three", async () => {
  const lengths = [5, 77, 40];
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const qkv = randomFloats(all * ROW, 1);
  const d_attended = randomFloats(all * WIDTH, 2);
  const [one, three] = [await openCpuDevice({ threads: 1 }), await openCpuDevice({ threads: 3 })];
  try {
    const together = await passes(three, lengths, qkv, d_attended);
    assert.deepEqual(await passes(one, lengths, qkv, d_attended), together);
    const [from, end] = [lengths[0], lengths[0] + lengths[1]];
    const alone = await passes(
      one,
      [77],
      qkv.slice(from * ROW, end * ROW),
      d_attended.slice(from * WIDTH, end * WIDTH),
    );
    assert.deepEqual(alone.attended, together.attended.slice(from * WIDTH, end * WIDTH));
    assert.deepEqual(alone.dqkv, together.dqkv.slice(from * ROW, end * ROW));
  } finally {
    await one.close();
    await three.close();
  }
});
