// The gradient of the predictions' entropy, against differences.

import assert from "node:assert/strict";
import { test } from "node:test";
import { entropyGradient } from "../../training/backward/entropy.ts";

const LOGITS = [0.3, -1.2, 2, 0.1, -0.4];

function softmax(logits: readonly number[]): number[] {
  const shares = logits.map(Math.exp);
  const sum = shares.reduce((all, share) => all + share, 0);
  return shares.map((share) => share / sum);
}

function entropy(logits: readonly number[]): number {
  return -softmax(logits).reduce((sum, p) => sum + p * Math.log(p), 0);
}

test("the cross entropy's gradient of any label becomes the entropy's", () => {
  for (const [label, weight] of [
    [0, 1],
    [2, 0.25],
  ] as const) {
    const row = Float32Array.from(softmax(LOGITS), (p, j) => weight * (p - (j === label ? 1 : 0)));
    const found = entropyGradient(row, weight, label);
    assert.ok(Math.abs(found - entropy(LOGITS)) < 1e-6);
    for (const j of LOGITS.keys()) {
      const shifted = (by: number) => entropy(LOGITS.map((z, i) => (i === j ? z + by : z)));
      const difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
      assert.ok(Math.abs(row[j] - weight * difference) < 1e-6, `${row[j]} ${weight * difference}`);
    }
  }
});

test("a certain prediction has no entropy and no gradient", () => {
  const row = Float32Array.from([0, 0, 0]);
  assert.equal(entropyGradient(row, 1, 1), 0);
  assert.ok(row.every((value) => Math.abs(value) === 0));
});
