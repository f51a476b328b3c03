// The loss of routers against targets: its value, its report and its gradient through the belief's recurrence.

import assert from "node:assert/strict";
import { beliefFilter } from "../../../cli/check/reference/belief_filter.ts";
import { labelLoss as reference } from "../../../cli/check/reference/label_loss.ts";
import type { Device } from "../../../engine/device/device.ts";
import { labelLoss } from "../../../shaders/training/label_loss.ts";
import { checkClose, onEachDevice, randomFloats } from "../device.ts";
import { caseBatch, checkGradient, runKernel } from "../kernel_case.ts";

const LENGTHS = [1, 7, 40, 2];

/** Targets: one expert a token, weights of several sizes, some tokens without any. */
function someTargets(tokens: number, experts: number): Float32Array<ArrayBuffer> {
  const targets = new Float32Array(tokens * experts);
  for (let t = 0; t < tokens; t++) if (t % 5 !== 3) targets[t * experts + ((t * 7) % experts)] = 0.25 * (1 + (t % 3));
  return targets;
}

/** Runs the kernel on z [T, outputs]; evidence is laid out as shaders/routing/route.wgsl leaves it. */
async function runOn(
  device: Device,
  z: Float32Array,
  targets: Float32Array<ArrayBuffer>,
  experts: number,
  belief: boolean,
) {
  const outputs = experts + (belief ? 1 : 0);
  const stride = 4 * Math.ceil(outputs / 4);
  const { shape, step, sequences } = caseBatch(LENGTHS);
  const evidence = new Float32Array(shape.tokens * (experts + 1));
  let first = 0;
  for (const length of LENGTHS) {
    const rows = z.subarray(first * outputs, (first + length) * outputs);
    const logs = belief ? beliefFilter(rows, experts) : undefined;
    for (let t = 0; t < length; t++) {
      for (let e = 0; e < experts; e++) {
        evidence[(first + t) * (experts + 1) + e] = logs === undefined ? rows[t * outputs + e] : logs[t * experts + e];
      }
      if (belief) evidence[(first + t) * (experts + 1) + experts] = rows[t * outputs + experts];
    }
    first += length;
  }
  const dz = new Float32Array(shape.tokens * stride);
  const report = new Float32Array(LENGTHS.length * 4);
  const arrays = { step, sequences, targets, evidence, dz, report };
  const found = await runKernel(device, labelLoss, { experts, stride, belief }, shape, arrays);
  const gradient = Float32Array.from({ length: shape.tokens * outputs }, (_, i) => {
    return found.dz[Math.floor(i / outputs) * stride + (i % outputs)];
  });
  return { gradient, dz: found.dz, report: found.report, stride, outputs };
}

function lossOf(z: ArrayLike<number>, targets: Float32Array, experts: number, belief: boolean): number {
  const outputs = experts + (belief ? 1 : 0);
  const all = Float64Array.from(z);
  let first = 0;
  let sum = 0;
  for (const length of LENGTHS) {
    const rows = all.subarray(first * outputs, (first + length) * outputs);
    sum += reference(rows, targets.subarray(first * experts, (first + length) * experts), experts, belief);
    first += length;
  }
  return sum;
}

for (const belief of [true, false]) {
  const name = belief ? "belief, through time" : "memoryless";
  onEachDevice(`loss and gradient for the gate's outputs: ${name}`, async (device) => {
    for (const experts of [2, 3, 5, 7]) {
      const tokens = LENGTHS.reduce((sum, length) => sum + length, 0);
      const z = randomFloats(tokens * (experts + (belief ? 1 : 0)), experts).map((value) => 3 * value);
      const targets = someTargets(tokens, experts);
      const { gradient, report, dz, stride, outputs } = await runOn(device, z, targets, experts, belief);
      checkGradient(gradient, (at) => lossOf(at, targets, experts, belief), z, { tolerance: 5e-5 });
      const losses = LENGTHS.map((_, s) => report[4 * s]);
      const total = losses.reduce((sum, loss) => sum + loss, 0);
      const expected = lossOf(z, targets, experts, belief);
      assert.ok(Math.abs(total - expected) < 1e-4 * expected, `${total}, expected ${expected}`);
      const weights = LENGTHS.map((_, s) => report[4 * s + 2]);
      checkClose([weights.reduce((sum, weight) => sum + weight, 0)], [targets.reduce((sum, y) => sum + y, 0)], 1e-6);
      for (let t = 0; t < tokens; t++) {
        for (let e = outputs; e < stride; e++) assert.equal(dz[t * stride + e], 0, "spare columns are zero");
      }
    }
  });
}

onEachDevice("beliefs and switches as small as f32 holds give finite gradients", async (device) => {
  const experts = 3;
  const tokens = LENGTHS.reduce((sum, length) => sum + length, 0);
  const z = Float32Array.from({ length: tokens * 4 }, (_, i) => {
    if (i % 4 === experts) return i % 8 < 4 ? -120 : 40;
    return i % 4 === 0 ? 60 : -60;
  });
  const targets = new Float32Array(tokens * experts);
  for (let t = 0; t < tokens; t++) targets[t * experts + 2] = 1;
  const { gradient, report } = await runOn(device, z, targets, experts, true);
  assert.ok(gradient.every(Number.isFinite));
  assert.ok(report.every(Number.isFinite));
});

onEachDevice("agreement counts the tokens whose best expert is the target's", async (device) => {
  const experts = 2;
  const tokens = LENGTHS.reduce((sum, length) => sum + length, 0);
  const z = Float32Array.from({ length: tokens * 2 }, (_, i) => (i % 2 === 0 ? 1 : -1));
  const targets = new Float32Array(tokens * experts);
  for (let t = 0; t < tokens; t++) targets[t * 2 + (t % 4 === 0 ? 1 : 0)] = 1;
  const { report } = await runOn(device, z, targets, experts, false);
  const agreed = LENGTHS.reduce((sum, _, s) => sum + report[4 * s + 1], 0);
  const expected = Array.from({ length: tokens }, (_, t) => t).filter((t) => t % 4 !== 0).length;
  assert.equal(agreed, expected);
});
