// The linear kernel against float64, for every format, body and activation form, on ragged shapes.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Body } from "../../engine/gpu/gpu.ts";
import { launch } from "../../engine/gpu/program.ts";
import { readView } from "../../engine/gpu/readback.ts";
import type { StoredType } from "../../files/weights/stored/formats.ts";
import type { ActivationForm } from "../../shaders/activation_form.ts";
import { linearGrid, linearPipeline, linearTile, type Tile } from "../../shaders/linear.ts";
import { quantizeGrid, quantizePipeline } from "../../shaders/quantize.ts";
import { int8BlocksReference, linearReference } from "../reference/linear.ts";
import { checkClose, GuardedOutput, openTestGpu, run, withoutSubgroups } from "./device.ts";
import { type LinearCase, linearCase, randomTensor, valuesOf, writeStep } from "./linear_case.ts";

const TOKENS = [1, 2, 3, 5, 8, 17, 33];
const ROWS = 70;
const COLS = 96;
const TILES: Record<Body, Tile[]> = {
  rowPerThread: [
    { rows: 1, tokens: 1 },
    { rows: 2, tokens: 2 },
    { rows: 4, tokens: 8 },
  ],
  workgroupPerRows: [
    { rows: 4, tokens: 1 },
    { rows: 4, tokens: 4 },
    { rows: 16, tokens: 16 },
  ],
};

/**
 * Against Σ|w·x|: f32 sums of at most 96 terms, each rounded once, are off by less than 96 · 2⁻²⁴ ≈ 6e-6. Weights and
 * int8 activations count as the numbers they stand for, which the kernel's own conversion gives exactly or, for q4 and
 * for block scales, with one or two more roundings a term.
 */
const TOLERANCE = 1e-5;

const FORMS: [StoredType, ActivationForm][] = [
  ["f32", "f32"],
  ["f16", "f32"],
  ["q8_0", "f32"],
  ["q4_0", "f32"],
  ["q4_1", "f32"],
  ["q8_0", "q8"],
  ["q4_0", "q8"],
  ["q4_1", "q8"],
];

for (const body of ["rowPerThread", "workgroupPerRows"] as const) {
  for (const form of FORMS) checkForm(body, form, true);
  checkForm(body, ["f16", "f32"], false);
  checkForm(body, ["q4_1", "q8"], false);
}

/** Equals float64, and, a row to a thread, does not depend on the tile. */
function checkForm(body: Body, [type, activations]: [StoredType, ActivationForm], subgroups: boolean): void {
  test(`${type} weights, ${activations} activations, ${body}${subgroups ? "" : " without subgroups"}`, async () => {
    const { gpu, buffers } = await openTestGpu(body);
    const chooser = subgroups ? gpu : withoutSubgroups(gpu);
    const parts = [randomTensor(type, ROWS - 32, COLS, 1), randomTensor(type, 32, COLS, 2)];
    const values = await valuesOf(parts);
    const c = await linearCase(gpu, buffers, parts, Math.max(...TOKENS));
    const x = await activationsOf(activations, c);
    const first = new Map<number, Float32Array>();
    for (const tile of TILES[body]) {
      const facts = { format: c.weights.format, rows: ROWS, cols: COLS, activations, tile };
      const pipeline = await linearPipeline(chooser, facts);
      for (const tokens of TOKENS) {
        writeStep(gpu, c.views.step, tokens, 0, 0);
        const y = new GuardedOutput(gpu, buffers, tokens * ROWS);
        const { quants, scales } = c.weights.shards[0];
        const views = { ...c.views, quants, scales, x: activations === "q8" ? c.views.xq : c.views.x, y: y.view };
        run(gpu, [launch(gpu, pipeline, views, linearGrid(gpu, facts))], {
          tokens,
          rows: 0,
          entries: 0,
          maxRank4: 0,
        });
        const actual = await y.read();
        const { y: expected, magnitude } = linearReference(values, x, ROWS, COLS, tokens);
        checkClose(actual, expected, TOLERANCE, magnitude);
        if (body === "rowPerThread") {
          const same = first.get(tokens) ?? actual;
          first.set(tokens, same);
          assert.deepEqual(actual, same, `tile ${tile.rows}×${tile.tokens} gives other bits`);
          assert.deepEqual(actual.subarray(0, ROWS), first.get(1), "the first token's bits depend on the others");
        }
      }
    }
    buffers.destroy();

    async function activationsOf(form: ActivationForm, { views, x }: LinearCase): Promise<ArrayLike<number>> {
      if (form === "f32") return x;
      const tokens = x.length / COLS;
      run(gpu, [launch(gpu, await quantizePipeline(gpu, COLS), views, quantizeGrid(COLS))], { tokens });
      const quants = new Int8Array(await readView(gpu, views.xq));
      return int8BlocksReference(quants, new Float32Array(await readView(gpu, views.xs)));
    }
  });
}

for (const body of ["rowPerThread", "workgroupPerRows"] as const) {
  test(`shards fill their own rows of y, one for every row of logits, ${body}`, async () => {
    const { gpu, buffers } = await openTestGpu(body);
    const [first, second] = [randomTensor("f16", 40, COLS, 1), randomTensor("f16", 30, COLS, 2)];
    const tokens = 3;
    const c = await linearCase(gpu, buffers, [first], tokens);
    const other = await linearCase(gpu, buffers, [second], tokens);
    const y = new GuardedOutput(gpu, buffers, tokens * ROWS);
    writeStep(gpu, c.views.step, 99, tokens, 0);
    const shape = { tokens: 99, rows: tokens, entries: 0, maxRank4: 0 };
    for (const [firstRow, { weights }] of [
      [0, c],
      [40, other],
    ] as const) {
      const shard = { firstRow, rows: weights.rows };
      const tile = linearTile(body, "f16", 64);
      const facts = { format: "f16", rows: ROWS, cols: COLS, activations: "f32", shard, tile, per: "rows" } as const;
      const { quants, scales } = weights.shards[0];
      const views = { ...c.views, quants, scales, y: y.view };
      run(gpu, [launch(gpu, await linearPipeline(gpu, facts), views, linearGrid(gpu, facts))], shape);
    }
    const values = await valuesOf([first, second]);
    const { y: expected, magnitude } = linearReference(values, c.x, ROWS, COLS, tokens);
    checkClose(await y.read(), expected, TOLERANCE, magnitude);
    buffers.destroy();
  });
}

test("quantize rounds to the nearest of 255 steps a block, and sums them; a block of zeros stays zero", async () => {
  const { gpu, buffers } = await openTestGpu();
  const c = await linearCase(gpu, buffers, [randomTensor("f32", 4, COLS, 1)], 5);
  c.x.fill(0, 32, 64);
  gpu.queue.writeBuffer(c.views.x.buffer, 0, c.x);
  run(gpu, [launch(gpu, await quantizePipeline(gpu, COLS), c.views, quantizeGrid(COLS))], { tokens: 5 });
  const quants = new Int8Array(await readView(gpu, c.views.xq));
  const pairs = new Float32Array(await readView(gpu, c.views.xs));
  for (let block = 0; block * 32 < c.x.length; block++) {
    const values = c.x.subarray(block * 32, block * 32 + 32);
    const q = quants.subarray(block * 32, block * 32 + 32);
    const [scale, sum] = pairs.subarray(2 * block, 2 * block + 2);
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    assert.ok(Math.abs(scale - largest / 127) <= 1e-6 * largest, `scale of block ${block}`);
    assert.ok(Math.abs(sum - scale * q.reduce((total, v) => total + v, 0)) <= 1e-5, `sum of block ${block}`);
    values.forEach((v, i) => {
      assert.ok(Math.abs(v - scale * q[i]) <= 0.5001 * scale, `element ${i} of block ${block}`);
    });
  }
  buffers.destroy();
});

test("weights, columns and activations that do not go together are refused", async () => {
  const { gpu } = await openTestGpu();
  const facts = { format: "q8_0", rows: 4, cols: 64, activations: "q8" } as const;
  assert.throws(() => linearPipeline(gpu, { ...facts, cols: 48 }), RangeError);
  assert.throws(() => linearPipeline(gpu, { ...facts, format: "f16" }), RangeError);
  assert.throws(() => linearPipeline(gpu, { ...facts, shard: { firstRow: 2, rows: 3 } }), RangeError);
});
