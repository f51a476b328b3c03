// The linear kernel against float64, for every format, body and activation form, on ragged shapes.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Body } from "../../engine/gpu/gpu.ts";
import { launch } from "../../engine/gpu/program.ts";
import { readView } from "../../engine/gpu/readback.ts";
import type { StoredType } from "../../engine/weights/tensor.ts";
import type { ActivationForm } from "../../shaders/activation_form.ts";
import { linearGrid, linearPipeline, type Tile } from "../../shaders/linear.ts";
import { quantizeGrid, quantizePipeline } from "../../shaders/quantize.ts";
import { int8BlocksReference, linearReference } from "../reference/linear.ts";
import { checkClose, GuardedOutput, openTestGpu, run } from "./device.ts";
import { type LinearCase, linearCase, randomTensor, valuesOf, writeStep } from "./linear_case.ts";

const TOKENS = [1, 2, 3, 5, 8, 17, 33];
const ROWS = 70;
const COLS = 96;
const TILES: Record<Body, Tile[]> = {
  rowPerThread: [
    { rows: 1, tokens: 1 },
    { rows: 2, tokens: 2 },
    { rows: 1, tokens: 4 },
    { rows: 4, tokens: 4 },
  ],
  workgroupPerRows: [
    { rows: 4, tokens: 1 },
    { rows: 4, tokens: 4 },
    { rows: 32, tokens: 32 },
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
  for (const [type, activations] of FORMS) {
    test(`${type} weights, ${activations} activations, ${body}: equals float64 and does not depend on the tile`, async () => {
      const { gpu, buffers } = await openTestGpu(body);
      const parts = [randomTensor(type, ROWS - 32, COLS, 1), randomTensor(type, 32, COLS, 2)];
      const values = await valuesOf(parts);
      const c = await linearCase(gpu, buffers, parts, Math.max(...TOKENS));
      const x = await activationsOf(activations, c);
      const first = new Map<number, Float32Array>();
      for (const tile of TILES[body]) {
        const facts = { format: c.weights.format, rows: ROWS, cols: COLS, activations, tile };
        const pipeline = await linearPipeline(gpu, facts);
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
}
