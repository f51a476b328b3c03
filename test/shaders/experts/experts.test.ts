// A model's own experts, kernel by kernel, against float64: which a token takes, their order, their products, their sum.

import assert from "node:assert/strict";
import { wholeColumns } from "../../../cli/check/cases/weights.ts";
import { linearReference } from "../../../cli/check/reference/linear.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import { uploadLinear } from "../../../engine/model/linear_weights.ts";
import { chooseExperts } from "../../../shaders/experts/choose_experts.ts";
import { linearExperts } from "../../../shaders/experts/linear_experts.ts";
import { sortExperts } from "../../../shaders/experts/sort_experts.ts";
import { sumExperts } from "../../../shaders/experts/sum_experts.ts";
import { launch } from "../../../shaders/kernel.ts";
import { checkClose, onEachDevice, randomFloats, run } from "../device.ts";
import { randomTensor, valuesOf } from "../linear_case.ts";
import { Output } from "../outputs.ts";
import { stepShape, stepUniform } from "../step_case.ts";

const EXPERTS = 5;
const USED = 3;
const TOKENS = [1, 2, 7, 33];

/** Each token's slots: experts may be left out, be taken by all, or by one. */
const SKEWS: Record<string, (t: number, k: number) => number> = {
  spread: (t, k) => (2 * t + k) % EXPERTS,
  "one for all": (_, k) => k + 1,
  "the last for one token": (t, k) => (t === 0 && k === 0 ? EXPERTS - 1 : k),
};

for (const normalised of [true, false]) {
  onEachDevice(
    `the likeliest experts and their ${normalised ? "shares" : "softmax"}: equal float64`,
    async (device) => {
      for (const tokens of TOKENS) {
        const shape = stepShape({ tokens });
        const rows = randomFloats(tokens * EXPERTS, 3).map((value) => 4 * value);
        // Equal logits: the lower index first.
        rows[1] = rows[3] = 9;
        const chosen = new Output(device, tokens * USED);
        const weights = new Output(device, tokens * USED);
        const logits = allocateFrom(device, "logits", rows);
        const views = { step: stepUniform(device, shape), logits, chosen: chosen.view, weights: weights.view };
        await run(device, [launch(chooseExperts, { experts: EXPERTS, used: USED, normalised }, views)], shape);
        const expected = Array.from({ length: tokens }, (_, t) =>
          choice([...rows.subarray(t * EXPERTS, (t + 1) * EXPERTS)], normalised),
        );
        assert.deepEqual(
          [...(await chosen.readWords())],
          expected.flatMap(({ order }) => order),
        );
        checkClose(
          await weights.read(),
          expected.flatMap(({ shares }) => shares),
          1e-5,
        );
      }
    },
  );
}

function choice(logits: number[], normalised: boolean): { order: number[]; shares: number[] } {
  const order = logits.map((_, e) => e).sort((a, b) => logits[b] - logits[a] || a - b);
  const exps = logits.map((value) => Math.exp(value));
  const taken = order.slice(0, USED);
  const sum = (normalised ? taken : order).reduce((all, e) => all + exps[e], 0);
  return { order: taken, shares: taken.map((e) => exps[e] / sum) };
}

onEachDevice("slots are in the order of their experts, and of themselves", async (device) => {
  for (const [skew, of] of Object.entries(SKEWS)) {
    for (const tokens of TOKENS) {
      const { words, order, bounds } = await sorted(device, tokens, of);
      const slots = [...words.keys()].sort((a, b) => words[a] - words[b] || a - b);
      assert.deepEqual([...(await order.readWords())], slots, skew);
      const ends = Array.from({ length: EXPERTS + 1 }, (_, e) => words.filter((expert) => expert < e).length);
      assert.deepEqual([...(await bounds.readWords())], ends, skew);
    }
  }
});

/** The choices of `tokens`, on the device, sorted. */
async function sorted(device: Device, tokens: number, of: (t: number, k: number) => number) {
  const shape = stepShape({ tokens });
  const words = Array.from({ length: tokens * USED }, (_, slot) => of(Math.floor(slot / USED), slot % USED));
  const chosen = allocateFrom(device, "chosen", Uint32Array.from(words));
  const order = new Output(device, tokens * USED);
  const bounds = new Output(device, EXPERTS + 1);
  const step = stepUniform(device, shape);
  const views = { step, chosen, order: order.view, bounds: bounds.view };
  await run(device, [launch(sortExperts, { experts: EXPERTS, used: USED }, views)], shape);
  return { words, chosen, order, bounds, step, shape };
}

for (const type of ["f32", "f16", "q8_0", "q4_0", "q5_1", "q4_k", "q6_k"] as const) {
  onEachDevice(`${type}: each slot by its expert's matrix equals float64, experts in two banks`, async (device) => {
    const [rows, cols] = [24, wholeColumns(type, 96)];
    const banks = [
      { first: 0, count: 2 },
      { first: 2, count: 3 },
    ];
    const matrices = Array.from({ length: EXPERTS }, (_, e) => randomTensor(type, rows, cols, e + 1));
    const values = await Promise.all(matrices.map((matrix) => valuesOf([matrix])));
    for (const [per, skew] of [
      ["tokens", "spread"],
      ["slots", "one for all"],
      ["slots", "the last for one token"],
    ] as const) {
      for (const tokens of TOKENS) {
        const { words, chosen, order, bounds, step, shape } = await sorted(device, tokens, SKEWS[skew]);
        const x = randomFloats(tokens * (per === "tokens" ? 1 : USED) * cols, 7);
        const y = new Output(device, tokens * USED * rows);
        for (const { first, count } of banks) {
          const { shards } = await uploadLinear(device, matrices.slice(first, first + count), "auto");
          const [{ format, quants, scales }] = shards;
          const facts = { format, rows, cols, first, count, used: USED, per };
          const inputs = { step, quants, scales, x: allocateFrom(device, "x", x) };
          const views = { ...inputs, y: y.view, order: order.view, bounds: bounds.view, chosen };
          await run(device, [launch(linearExperts, facts, views)], shape);
        }
        const expected = words.flatMap((expert, slot) => {
          const row = per === "tokens" ? Math.floor(slot / USED) : slot;
          return [...linearReference(values[expert], x.subarray(row * cols, (row + 1) * cols), rows, cols, 1).y];
        });
        checkClose(await y.read(), expected, 2e-5);
      }
    }
  });
}

onEachDevice("experts' outputs are summed at their weights", async (device) => {
  for (const hidden of [8, 260]) {
    const tokens = 9;
    const shape = stepShape({ tokens });
    const [parts, weights] = [randomFloats(tokens * USED * hidden, 1), randomFloats(tokens * USED, 2)];
    const output = new Output(device, tokens * hidden);
    const views = {
      step: stepUniform(device, shape),
      parts: allocateFrom(device, "parts", parts),
      weights: allocateFrom(device, "weights", weights),
      output: output.view,
    };
    await run(device, [launch(sumExperts, { hidden, used: USED }, views)], shape);
    const expected = Array.from({ length: tokens * hidden }, (_, n) => {
      const [t, i] = [Math.floor(n / hidden), n % hidden];
      return [0, 1, 2].reduce((sum, k) => sum + weights[t * USED + k] * parts[(t * USED + k) * hidden + i], 0);
    });
    checkClose(await output.read(), expected, 1e-5);
  }
});
