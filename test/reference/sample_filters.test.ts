// The truncation rules on distributions small enough to check by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Distribution, minP, sampleFilters, topK, topP } from "../../cli/check/reference/sample_filters.ts";

const P = Float64Array.of(0.1, 0.4, 0.1, 0.3, 0.1);

function near(actual: Distribution, expected: readonly number[]): void {
  expected.forEach((value, id) => {
    assert.ok(Math.abs(actual[id] - value) < 1e-12, `token ${id}: ${actual[id]}, expected ${value}`);
  });
}

test("top-k keeps the lower id of equals; 0 keeps all", () => {
  near(topK(P, 3), [0.125, 0.5, 0, 0.375, 0]);
  near(topK(P, 0), [...P]);
});

test("top-p keeps the token that reaches the mass, and always one", () => {
  near(topP(P, 0.7), [0, 4 / 7, 0, 3 / 7, 0]);
  near(topP(P, 0.71), [0.125, 0.5, 0, 0.375, 0]);
  near(topP(P, 0), [0, 1, 0, 0, 0]);
});

test("min-p is relative to the likeliest", () => {
  near(minP(P, 0.5), [0, 4 / 7, 0, 3 / 7, 0]);
  near(minP(P, 0.25), [...P]);
});

test("top-p counts mass after top-k", () => {
  // Of the two kept, 4/7 and 3/7: the first alone reaches 0.5, though it is only 0.4 of the whole.
  near(sampleFilters(P, { topK: 2, topP: 0.5, minP: 0 }), [0, 1, 0, 0, 0]);
});
