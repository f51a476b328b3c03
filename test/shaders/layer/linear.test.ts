// The linear kernel against float64, for every format, on ragged shapes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeColumns } from "../../../cli/check/cases/weights.ts";
import { linearReference } from "../../../cli/check/reference/linear.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import type { StoredType } from "../../../files/weights/stored/formats.ts";
import { launch } from "../../../shaders/kernel.ts";
import { type LinearFacts, linear } from "../../../shaders/layer/linear.ts";
import { checkClose, GuardedOutput, onEachDevice, randomFloats, run, withoutSubgroups } from "../device.ts";
import { linearCase, randomTensor, valuesOf } from "../linear_case.ts";
import { stepShape, writeStep } from "../step_case.ts";

const TOKENS = [1, 2, 3, 5, 8, 17, 33];
const ROWS = 70;
const COLS = 96;
/** Tokens that a launch is built for: on a GPU one of each tile. */
const BUILT_FOR = [1, 4, 8, 16];

/**
 * Against Σ|w·x|: f32 sums of at most 96 terms, each rounded once, are off by less than 96 · 2⁻²⁴ ≈ 6e-6. Weights count as
 * the numbers they stand for, which the kernel's own conversion gives exactly or, for q4, with one more rounding a term.
 */
const TOLERANCE = 1e-5;

for (const type of [
  "f32",
  "f16",
  "q8_0",
  "q4_0",
  "q4_1",
  "q5_0",
  "q5_1",
  "q2_k",
  "q3_k",
  "q4_k",
  "q5_k",
  "q6_k",
] as const) {
  onEachDevice(`${type} weights: equals float64`, (device) => checkWeights(device, type));
}

for (const type of ["f16", "q4_1", "q5_1", "q4_k", "q6_k"] as const) {
  const check = () => withoutSubgroups((device) => checkWeights(device, type));
  onEachDevice(`${type} weights: equals float64 without subgroups`, check, ["gpu"]);
}

async function checkWeights(device: Device, type: StoredType): Promise<void> {
  const cols = wholeColumns(type, COLS);
  const parts = [randomTensor(type, ROWS - 32, cols, 1), randomTensor(type, 32, cols, 2)];
  const values = await valuesOf(parts);
  const c = await linearCase(device, parts, Math.max(...TOKENS));
  const { format, quants, scales } = c.weights.shards[0];
  for (const builtFor of BUILT_FOR) {
    const facts: LinearFacts = {
      format,
      rows: ROWS,
      cols,
      activations: "f32",
      tokens: builtFor,
    };
    for (const tokens of TOKENS) {
      const shape = stepShape({ tokens });
      writeStep(device, c.views.step, shape);
      const y = new GuardedOutput(device, tokens * ROWS);
      await run(device, [launch(linear, facts, { ...c.views, quants, scales, y: y.view })], shape);
      const { y: expected, magnitude } = linearReference(values, c.x, ROWS, cols, tokens);
      checkClose(await y.read(), expected, TOLERANCE, magnitude);
    }
  }
}

onEachDevice("shards fill their own rows of y, one for every row of logits", async (device) => {
  const [first, second] = [randomTensor("f16", 40, COLS, 1), randomTensor("f16", 30, COLS, 2)];
  const rows = 3;
  const c = await linearCase(device, [first], rows);
  const other = await linearCase(device, [second], rows);
  const shape = stepShape({ tokens: 99, rows });
  writeStep(device, c.views.step, shape);
  for (const tokens of [1, 64]) {
    const y = new GuardedOutput(device, rows * ROWS);
    for (const [firstRow, { weights }] of [
      [0, c],
      [40, other],
    ] as const) {
      const shard = { firstRow, rows: weights.rows };
      const facts = { format: "f16", rows: ROWS, cols: COLS, activations: "f32", shard, tokens, per: "rows" } as const;
      const { quants, scales } = weights.shards[0];
      await run(device, [launch(linear, facts, { ...c.views, quants, scales, y: y.view })], shape);
    }
    const values = await valuesOf([first, second]);
    const { y: expected, magnitude } = linearReference(values, c.x, ROWS, COLS, rows);
    checkClose(await y.read(), expected, TOLERANCE, magnitude);
  }
});

for (const ending of [{ bias: true }, { scale: 0.25, cap: 0 }, { scale: 2, cap: 3 }] as const) {
  onEachDevice(`${JSON.stringify(ending)}: what becomes of sums, in shards too, equals float64`, async (device) => {
    const parts = [randomTensor("f16", 40, COLS, 1), randomTensor("f16", 30, COLS, 2)];
    const values = await valuesOf(parts);
    const tokens = 33;
    const added = randomFloats(ROWS, 8);
    const bias = allocateFrom(device, "bias", added);
    const shape = stepShape({ tokens });
    for (const builtFor of [1, 8, 16]) {
      const y = new GuardedOutput(device, tokens * ROWS);
      for (const [i, part] of parts.entries()) {
        const c = await linearCase(device, [part], tokens);
        writeStep(device, c.views.step, shape);
        const shard = { firstRow: 40 * i, rows: part.shape[0] };
        const facts = { format: "f16", rows: ROWS, cols: COLS, activations: "f32", shard, tokens: builtFor } as const;
        const { quants, scales } = c.weights.shards[0];
        const views = { ...c.views, quants, scales, y: y.view, ...(ending.bias && { bias }) };
        await run(device, [launch(linear, { ...facts, ending }, views)], shape);
      }
      const { x } = await linearCase(device, [parts[0]], tokens);
      const { y: sums, magnitude } = linearReference(values, x, ROWS, COLS, tokens);
      const ended = sums.map((sum, i) => {
        if (ending.bias) return sum + added[i % ROWS];
        return ending.cap === 0 ? ending.scale * sum : ending.cap * Math.tanh((ending.scale * sum) / ending.cap);
      });
      checkClose(
        await y.read(),
        ended,
        2 * TOLERANCE,
        magnitude.map((value) => value + 1),
      );
    }
  });
}

test("weights, columns and activations that do not go together are refused", () => {
  const facts: LinearFacts = { format: "q8_0", rows: 4, cols: 64, activations: "q8", tokens: 1 };
  assert.throws(() => launch(linear, { ...facts, cols: 48 }, {}), RangeError);
  assert.throws(() => launch(linear, { ...facts, format: "f16" }, {}), RangeError);
  assert.throws(() => launch(linear, { ...facts, shard: { firstRow: 2, rows: 3 } }, {}), RangeError);
});
