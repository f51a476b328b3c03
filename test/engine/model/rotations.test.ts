// RoPE's tables against transformers' (test/fixtures/scripts/families.py): every scaling, frequencies and (cos, sin).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  firstTurn,
  localRotations,
  noRotations,
  ropeFrequencies,
  rotations,
  rotationTable,
  shortTurns,
} from "../../../engine/model/rotations.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import { readRope } from "../../../files/model_files/hf_rope.ts";

interface Table {
  name: string;
  length: number;
  config: Record<string, unknown> & { max_position_embeddings: number };
  frequencies: number[];
  magnitude: number;
  rows: number[];
  cos: number[][];
  sin: number[][];
}

const tables: Table[] = JSON.parse(readFileSync("test/fixtures/families/rope.json", "utf8"));
const HEAD_DIM = 32;

for (const table of tables) {
  test(`${table.name}, ${table.length} positions: transformers' frequencies and table`, () => {
    const rotaryDim = table.frequencies.length * 2;
    const rope = readRope(table.config, table.config.max_position_embeddings);
    const config = { headDim: HEAD_DIM, ...rope, ...(rotaryDim === HEAD_DIM ? {} : { rotaryDim }) };
    const { frequencies, magnitude } = ropeFrequencies(config, table.length);
    assert.equal(frequencies.length, table.frequencies.length);
    for (const [i, expected] of table.frequencies.entries()) {
      assert.ok(Math.abs(frequencies[i] / expected - 1) < 4e-7, `frequency ${i}: ${frequencies[i]}, ${expected}`);
    }
    assert.ok(Math.abs(magnitude - table.magnitude) < 1e-12);
    const made = rotations(config, table.length);
    for (const [n, row] of table.rows.entries()) {
      // An angle is off by the frequency's last bit times the position.
      const tolerance = 2e-6 + row * 4e-7;
      for (let i = 0; i < frequencies.length; i++) {
        const at = (row * frequencies.length + i) * 2;
        assert.ok(Math.abs(made[at] - table.cos[n][i]) < tolerance, `cos of position ${row}, frequency ${i}`);
        assert.ok(Math.abs(made[at + 1] - table.sin[n][i]) < tolerance, `sin of position ${row}, frequency ${i}`);
      }
    }
  });
}

test("layers with a window turn by their own base, unscaled; layers without RoPE not at all", () => {
  const config = { headDim: 8, ropeTheta: 1e6, ropeScaling: { type: "linear", factor: 8 } } as const;
  const local = localRotations({ ...config, localRopeTheta: 10000 }, 3);
  assert.deepEqual(local, rotations({ headDim: 8, ropeTheta: 10000, ropeScaling: { type: "none" } }, 3));
  const still = noRotations(config, 3);
  assert.equal(still.length, local.length);
  assert.ok(still.every((value, i) => value === (i % 2 === 0 ? 1 : 0)));
});

test("LongRoPE's table has the rows of shorter sequences behind those of longer ones", () => {
  const scaling = { type: "longrope", originalContext: 4, attentionFactor: 1.5 } as const;
  const ropeScaling = { ...scaling, shortFactors: [1, 2], longFactors: [3, 4] };
  const config = { headDim: 4, ropeTheta: 100, ropeScaling } as unknown as ModelConfig;
  assert.deepEqual(shortTurns(config, 6), { within: 4, at: 6 });
  assert.deepEqual(
    [4, 5].map((length) => firstTurn(shortTurns(config, 6), length)),
    [6, 0],
  );
  const both = rotationTable(config, "usual", 6);
  assert.deepEqual([...both], [...rotations(config, 6), ...rotations(config, 4)]);
  assert.notDeepEqual(both.slice(4, 8), both.slice(28, 32), "position 1");
  // A context of the original length has shorter sequences alone.
  assert.equal(shortTurns(config, 4), undefined);
  assert.deepEqual(rotationTable(config, "usual", 4), rotations(config, 4));
});

test("a table of factors divides the frequencies, as GGUF files of Llama 3 have it", () => {
  const config = { headDim: 4, ropeTheta: 100, ropeScaling: { type: "factors", factors: [1, 4] } } as const;
  assert.deepEqual([...ropeFrequencies(config, 9).frequencies], [1, Math.fround(0.1 / 4)]);
});
