import assert from "node:assert/strict";
import { test } from "node:test";
import type { LayerChoice, TokenTrace } from "../../proto/api.ts";
import { routingStatistics } from "../../router/statistics.ts";

const one = (expert: string): LayerChoice => ({ experts: [expert], gates: [1] });
const two = (first: string, second: string, gates: number[]): LayerChoice => ({ experts: [first, second], gates });

test("shares, switches and entropy of two sequences", () => {
  const first: TokenTrace[] = [
    [one("math"), one("math")],
    [one("math"), one("sql")],
    [one("sql"), one("sql")],
  ];
  const second: TokenTrace[] = [[one("base"), one("math")]];
  const found = routingStatistics([first, second], ["base", "math", "sql", "code"]);
  assert.equal(found.tokens, 4);
  assert.deepEqual(found.experts, ["base", "math", "sql", "code"]);
  assert.deepEqual(found.share, [1 / 8, 4 / 8, 3 / 8, 0]);
  assert.deepEqual(found.layerShare, [
    [1 / 4, 2 / 4, 1 / 4, 0],
    [0, 2 / 4, 2 / 4, 0],
  ]);
  // The step from one sequence to the next is no switch.
  assert.equal(found.switchRate, 2 / 4);
  assert.deepEqual(found.layerSwitchRate, [1 / 2, 1 / 2]);
  assert.ok(Math.abs(found.layerEntropy[1] - Math.log(2)) < 1e-12);
  assert.ok(Math.abs(found.layerEntropy[0] - 1.5 * Math.log(2)) < 1e-12);
});

test("gates weigh the experts; every token weighs the same", () => {
  const found = routingStatistics([[[two("a", "b", [0.75, 0.25])], [two("b", "a", [0.5, 0.5])], [one("a")]]]);
  assert.deepEqual(found.experts, ["a", "b"]);
  assert.deepEqual(found.share, [2.25 / 3, 0.75 / 3]);
  assert.equal(found.switchRate, 1);
  assert.deepEqual(routingStatistics([[[two("a", "b", [1, 1])]]]).share, [0.5, 0.5]);
});

test("nothing counted gives zeros, not NaN", () => {
  const found = routingStatistics([], ["base"]);
  assert.deepEqual(found, {
    tokens: 0,
    experts: ["base"],
    share: [0],
    layerShare: [],
    switchRate: 0,
    layerSwitchRate: [],
    entropy: 0,
    layerEntropy: [],
  });
  assert.equal(routingStatistics([[[one("a")]]]).entropy, 0);
});
