// What was measured, as a table: a loss is never shown where there is none, nor an interval of one text.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Measured } from "../../../cli/composition/measured.ts";
import { lossTable } from "../../../cli/composition/measured_tables.ts";

test("losses have intervals, one text has none, and no text has no loss", () => {
  const measure = (tokens: number, value: number, low: number, high: number) => {
    const one = { tokens, loss: { value, low, high }, bitsPerByte: 1 };
    return { all: one, completions: one };
  };
  const sets = { mixed: measure(40, 1.25, 1, 1.5), sql: measure(9, 0.5, 0.5, 0.5), math: measure(0, 0, 0, 0) };
  const size = { texts: 1, tokens: 9, completionTokens: 9 };
  const table = lossTable({
    sets: { mixed: size, sql: size, math: size },
    policies: [{ name: "base", title: "base", sets, gain: {}, kept: { mixed: 0, sql: -0.5 } }],
    merges: [],
  } satisfies Measured);
  assert.deepEqual(table.rows, [["base", "1.250 (1.00–1.50)", "0 %", "0.500 (one text)", "-50 %", "–", ""]]);
});
