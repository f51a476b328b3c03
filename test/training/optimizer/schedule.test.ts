// The learning rate over a training.

import assert from "node:assert/strict";
import { test } from "node:test";
import { learningRate } from "../../../training/optimizer/schedule.ts";

test("the rate warms up, falls along a half cosine and ends at zero", () => {
  const schedule = { rate: 2, steps: 10, warmup: 4 };
  assert.deepEqual(
    [0, 1, 2, 3].map((step) => learningRate(step, schedule)),
    [0.5, 1, 1.5, 2],
  );
  assert.equal(learningRate(4, schedule), 2);
  assert.ok(Math.abs(learningRate(7, schedule) - 1) < 1e-12);
  assert.equal(learningRate(10, schedule), 0);
  assert.equal(learningRate(9, { ...schedule, shape: "constant" }), 2);
});
