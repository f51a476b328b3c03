// The generated load has the rate, the burstiness and the popularity that it is asked for, and is the same every time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { spreadOf } from "../../../perf/serving/figures.ts";
import { Random } from "../../../perf/serving/random.ts";
import { arrivalsOf, cumulative, requestsOf } from "../../../perf/serving/workload.ts";

const LOAD = {
  adapters: 50,
  alpha: 1,
  rate: 20,
  cv: 1,
  seconds: 2000,
  prompt: [8, 32],
  output: [4, 4],
  seed: 5,
} as const;

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

for (const cv of [0.5, 1, 3]) {
  test(`times between arrivals: the rate as asked, the coefficient of variation ${cv}`, () => {
    const times = arrivalsOf({ ...LOAD, cv }).map(({ at }) => at);
    const gaps = times.slice(1).map((time, i) => time - times[i]);
    assert.ok(Math.abs(mean(gaps) * LOAD.rate - 1) < 0.04, `mean gap ${mean(gaps)}`);
    assert.ok(Math.abs(deviation(gaps) / mean(gaps) / cv - 1) < 0.05, `deviation ${deviation(gaps)}`);
    assert.ok(times.every((time) => time > 0 && time < LOAD.seconds));
  });
}

for (const alpha of [0, 1, 2]) {
  test(`adapters are asked for by (i + 1)^-${alpha}`, () => {
    const requests = requestsOf({ ...LOAD, alpha }, 40_000);
    const weights = Array.from({ length: LOAD.adapters }, (_, i) => (i + 1) ** -alpha);
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    for (const i of [0, 1, 9, 49]) {
      const expected = (40_000 * weights[i]) / all;
      const found = requests.filter(({ adapter }) => adapter === i).length;
      assert.ok(
        Math.abs(found - expected) < 5 * Math.sqrt(expected) + 1,
        `adapter ${i}: ${found}, expected ${expected}`,
      );
    }
    assert.equal(cumulative(LOAD.adapters, alpha)[LOAD.adapters - 1], 1);
  });
}

test("lengths lie in their ranges, ends included, and a seed gives one load", () => {
  const requests = requestsOf(LOAD, 5000);
  const lengths = requests.map(({ promptTokens }) => promptTokens);
  assert.deepEqual([Math.min(...lengths), Math.max(...lengths)], [8, 32]);
  assert.ok(requests.every(({ outputTokens }) => outputTokens === 4));
  assert.deepEqual(requestsOf(LOAD, 5000), requests);
  assert.notDeepEqual(requestsOf({ ...LOAD, seed: 6 }, 5000), requests);
});

test("Gamma numbers have the mean and the variance of their shape, below 1 and above", () => {
  for (const shape of [0.2, 0.7, 1, 4]) {
    const random = new Random(11);
    const values = Array.from({ length: 60_000 }, () => random.gamma(shape, 2));
    assert.ok(Math.abs(mean(values) / (2 * shape) - 1) < 0.03, `mean of shape ${shape}`);
    assert.ok(Math.abs(deviation(values) ** 2 / (4 * shape) - 1) < 0.1, `variance of shape ${shape}`);
  }
});

test("a spread names the value that a share does not exceed", () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.deepEqual(spreadOf(values), { p50: 50, p90: 90, p99: 99, max: 100 });
  assert.deepEqual(spreadOf([7]), { p50: 7, p90: 7, p99: 7, max: 7 });
  assert.ok(Object.values(spreadOf([])).every(Number.isNaN));
});
