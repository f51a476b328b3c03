// The float64 belief filter and gates against the oracle that came with the format.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { beliefFilter } from "../../cli/check/reference/belief_filter.ts";
import { topKGates } from "../../cli/check/reference/top_k_gates.ts";

interface OracleCase {
  experts: number;
  temperature: number;
  top_k: number;
  gate: "unit" | "softmax";
  z: number[][];
  belief: number[][];
  gates: number[][];
}

const { cases } = JSON.parse(readFileSync("test/fixtures/parity/belief.json", "utf8")) as { cases: OracleCase[] };

function near(actual: Float64Array, expected: readonly number[], what: string): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(actual[i] - value) < 2e-9, `${what}[${i}]: ${actual[i]}, oracle ${value}`);
  });
}

cases.forEach((oracle, number) => {
  const { experts } = oracle;
  const rule = { topK: oracle.top_k, gate: oracle.gate, temperature: oracle.temperature };

  test(`beliefs and gates of oracle case ${number}`, () => {
    const beliefs = beliefFilter(oracle.z.flat(), experts);
    near(beliefs.map(Math.exp), oracle.belief.flat(), "belief");
    near(topKGates(beliefs, experts, rule).gates, oracle.gates.flat(), "gates");
  });

  test(`a filter that goes on from a kept state, oracle case ${number}`, () => {
    const whole = beliefFilter(oracle.z.flat(), experts);
    const first = beliefFilter(oracle.z.slice(0, 3).flat(), experts);
    const rest = beliefFilter(oracle.z.slice(3).flat(), experts, first.slice(-experts));
    assert.ok(Math.max(...rest.map((value, i) => Math.abs(value - whole[3 * experts + i]))) < 1e-12);
  });
});

test("ties go to the lower index, and an expert at -Infinity never wins", () => {
  const rule = { topK: 2, gate: "unit", temperature: 1 } as const;
  assert.deepEqual(topKGates([1, 1, 1], 3, rule), { gates: Float64Array.of(0.5, 0.5, 0), kept: [[0, 1]] });
  assert.deepEqual(topKGates([-Infinity, 0, -Infinity], 3, rule).kept, [[1]]);
});
