// The float64 dequantisers against the gguf package's reading of the same bytes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { dequantiseQ4_0, dequantiseQ4_1, dequantiseQ8_0 } from "./dequantise.ts";

interface Blocks {
  cases: { format: "Q8_0" | "Q4_0" | "Q4_1"; hex: string; values: number[] }[];
}

const DECODERS = { Q8_0: dequantiseQ8_0, Q4_0: dequantiseQ4_0, Q4_1: dequantiseQ4_1 };
const { cases } = JSON.parse(readFileSync("test/fixtures/parity/gguf_blocks.json", "utf8")) as Blocks;

for (const { format, hex, values } of cases) {
  test(`${format} blocks as the gguf package reads them`, () => {
    const weights = DECODERS[format](Buffer.from(hex, "hex"));
    assert.equal(weights.length, values.length);
    values.forEach((value, i) => {
      assert.ok(Math.abs(weights[i] - value) < 1e-7, `weight ${i}: ${weights[i]}, gguf ${value}`);
    });
  });
}
