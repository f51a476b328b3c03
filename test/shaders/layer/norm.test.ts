// RMSNorm without adapters; test/shaders/lora/lora.test.ts has it with them.

import assert from "node:assert/strict";
import { rmsNorm } from "../../../cli/check/reference/rms_norm.ts";
import { allocateFrom } from "../../../engine/device/device.ts";
import { launch } from "../../../shaders/kernel.ts";
import { finalNorm } from "../../../shaders/layer/final_norm.ts";
import { norm } from "../../../shaders/layer/norm.ts";
import { NO_LORA } from "../../../shaders/lora/lora_form.ts";
import { LOGIT_ROW } from "../../../shaders/step.ts";
import { checkClose, onEachDevice, randomFloats, run } from "../device.ts";
import { checkSameBits, Output } from "../outputs.ts";
import { stepShape, stepUniform } from "../step_case.ts";

const TOLERANCE = 1e-5;
const TOKENS = [1, 2, 7, 33, 65];

for (const hidden of [4, 64, 260, 576]) {
  onEachDevice(`norm of ${hidden} values: equals float64, with and without the addition`, async (device) => {
    const values = randomFloats(hidden, 1);
    const weight = allocateFrom(device, "w", values);
    for (const tokens of TOKENS) {
      const shape = stepShape({ tokens });
      const residual = randomFloats(tokens * hidden, 2).map(
        (value, i) => value * 10 ** ((Math.floor(i / hidden) % 5) - 2),
      );
      const added = randomFloats(tokens * hidden, 3);
      const output = allocateFrom(device, "o", added);
      for (const add of [false, true]) {
        const sums = new Output(device, residual.length, residual);
        const x = new Output(device, residual.length);
        const views = { step: stepUniform(device, shape), residual: sums.view, output, weight, x: x.view };
        await run(device, [launch(norm, { hidden, eps: 1e-5, add, lora: NO_LORA }, views)], shape);
        const expected = residual.map((value, i) => value + (add ? added[i] : 0));
        checkSameBits(await sums.read(), expected, "residual");
        checkClose(await x.read(), rmsNorm(expected, values, 1e-5), TOLERANCE);
      }
    }
  });
}

/** What else becomes of an output on its way into the residual, and of the sum. */
const WAYS = [
  { after: true },
  { after: true, bare: true },
  { scale: 0.22 },
  { after: true, scale: 3 },
  { bare: true, add: false },
];

for (const way of WAYS) {
  onEachDevice(`norm, ${JSON.stringify(way)}: equals float64, as the last norm too`, async (device) => {
    const hidden = 260;
    const { after = false, bare = false, scale = 1, add = true } = way;
    const [weights, behind] = [randomFloats(hidden, 1), randomFloats(hidden, 6)];
    const facts = { hidden, eps: 1e-5, add, after, bare, scale, lora: NO_LORA };
    for (const tokens of TOKENS) {
      const shape = stepShape({ tokens, rows: 1 });
      const [residual, output] = [randomFloats(tokens * hidden, 2), randomFloats(tokens * hidden, 3)];
      const sums = new Output(device, residual.length, residual);
      const x = new Output(device, residual.length);
      const views = {
        step: stepUniform(device, shape),
        residual: sums.view,
        output: allocateFrom(device, "o", output),
        weight: allocateFrom(device, "w", weights),
        after: allocateFrom(device, "a", behind),
      };
      await run(device, [launch(norm, facts, { ...views, x: x.view })], shape);
      const added = after ? rmsNorm(output, behind, 1e-5) : output;
      const expected = Float64Array.from(residual, (value, i) => value + (add ? scale * added[i] : 0));
      checkClose(await sums.read(), expected, TOLERANCE);
      const normed = rmsNorm(expected, weights, 1e-5);
      checkClose(await x.read(), bare ? expected : normed, TOLERANCE);
      if (bare) continue;
      const row = new Output(device, hidden);
      const before = allocateFrom(device, "residual", residual);
      const logit_rows = allocateFrom(device, "rows", Uint32Array.of(tokens - 1, ...new Uint32Array(LOGIT_ROW.words)));
      await run(device, [launch(finalNorm, facts, { ...views, residual: before, logit_rows, x: row.view })], shape);
      checkClose(await row.read(), normed.subarray(-hidden), TOLERANCE);
    }
  });
}

onEachDevice("norm keeps a row of zeros, and a row that is alone or among others has the same bits", async (device) => {
  const hidden = 96;
  const weight = allocateFrom(device, "w", randomFloats(hidden, 1));
  const rows = randomFloats(3 * hidden, 5);
  rows.fill(0, 0, hidden);
  const normed = async (values: Float32Array<ArrayBuffer>) => {
    const shape = stepShape({ tokens: values.length / hidden });
    const x = new Output(device, values.length);
    const residual = new Output(device, values.length, values);
    const step = stepUniform(device, shape);
    const views = { step, residual: residual.view, output: weight, weight, x: x.view };
    await run(device, [launch(norm, { hidden, eps: 1e-5, add: false, lora: NO_LORA }, views)], shape);
    return x.read();
  };
  const all = await normed(rows);
  assert.ok(all.subarray(0, hidden).every((value) => value === 0));
  checkSameBits(all.subarray(2 * hidden), await normed(rows.slice(2 * hidden)), "the last row");
});
