// What `molora bench` counts, on times that are known.

import assert from "node:assert/strict";
import { test } from "node:test";
import { median, Prompts, speedTogether, stepsOf } from "../../../cli/bench/timing.ts";

test("prompts share no first token, and stay within the vocabulary", () => {
  for (const vocab of [30, 4096, 49152]) {
    const prompts = new Prompts(vocab);
    const all = Array.from({ length: 25 }, () => prompts.next(50));
    assert.equal(new Set(all.map(([first]) => first)).size, 25, `${vocab} ids`);
    assert.ok(all.flat().every((id) => id >= 0 && id < vocab && Number.isInteger(id)));
  }
});

test("medians and steps", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.ok(Number.isNaN(median([])));
  assert.deepEqual(stepsOf([10, 12, 17]), [2, 5]);
});

test("together, only the time counts in which all are decoding", () => {
  // The second begins at 100 and the first ends at 200: five tokens each in between.
  const first = Array.from({ length: 10 }, (_, i) => 20 * (i + 1));
  const second = Array.from({ length: 10 }, (_, i) => 100 + 20 * i);
  assert.equal(speedTogether([first, second]), 100);
});

test("requests that never run at once still have a speed", () => {
  assert.equal(
    speedTogether([
      [10, 20],
      [40, 50, 60],
    ]),
    80,
  );
});
