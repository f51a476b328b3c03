// Agreement in sign against composition.md's oracle, against whole matrices entry by entry, and under gates.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agreementOf, pairSigns } from "../../../composition/agreement/agreement.ts";
import { SAMPLES, type SignSketch, signSketch } from "../../../composition/agreement/sketch.ts";
import type { LoraModule } from "../../../files/lora/adapter.ts";
import { randomFloats } from "../../shaders/device.ts";

/** Fixture F of the composition sheet. */
const F1: LoraModule = { rank: 2, scale: 2, a: floats(1, -2, 3, 0.5, 4, -1), b: floats(1, 2, -3, 0.5) };
const F2: LoraModule = { rank: 2, scale: 1, a: floats(2, 1, -1.5, -4, 0.25, 3.5), b: floats(0.75, -1, 2, 1.5) };

function floats(...values: number[]): Float32Array {
  return Float32Array.from(values);
}

function sketchOf(
  ...layers: Parameters<typeof signSketch>[1] extends (layer: number) => infer L ? L[] : never
): SignSketch {
  const work = signSketch(layers.length, (layer) => layers[layer]);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

function random(rows: number, cols: number, rank: number, seed: number): LoraModule {
  return { rank, scale: 0.5, a: randomFloats(rank * cols, seed), b: randomFloats(rows * rank, seed + 1) };
}

/** Share of entries with opposite signs, from the whole matrices. */
function conflict(x: LoraModule, y: LoraModule): number {
  const entries = ({ rank, a, b }: LoraModule) => {
    const cols = a.length / rank;
    return Array.from({ length: (b.length / rank) * cols }, (_, at) => {
      const [row, col] = [Math.floor(at / cols), at % cols];
      return Array.from({ length: rank }, (_, r) => b[row * rank + r] * a[r * cols + col]).reduce(
        (sum, v) => sum + v,
        0,
      );
    });
  };
  const [one, two] = [entries(x), entries(y)];
  return one.filter((value, i) => value * two[i] < 0).length / one.length;
}

test("fixture F: a third of the entries have opposite signs", () => {
  const { same, opposed } = pairSigns(sketchOf({ q_proj: F1 }), sketchOf({ q_proj: F2 }));
  assert.ok(Math.abs(opposed[0] - 1 / 3) < 1e-12);
  assert.ok(Math.abs(same[0] - 2 / 3) < 1e-12);
});

test("small matrices are looked at whole, large ones by draws that come near the whole", () => {
  const small = [random(40, 60, 3, 1), random(40, 60, 5, 3)];
  const exact = pairSigns(sketchOf({ o_proj: small[0] }), sketchOf({ o_proj: small[1] }));
  assert.ok(Math.abs(exact.opposed[0] - conflict(small[0], small[1])) < 1e-12);
  // Alike in half of their ranks, so that the share is not that of chance.
  const base = random(256, 320, 8, 5);
  const other = { ...base, b: base.b.map((value, i) => (i % 8 < 4 ? value : -value)) };
  const drawn = pairSigns(sketchOf({ up_proj: base }), sketchOf({ up_proj: other }));
  const whole = conflict(base, other);
  assert.ok(256 * 320 > SAMPLES);
  assert.ok(Math.abs(drawn.opposed[0] - whole) < 0.025, `${drawn.opposed[0]} of ${whole}`);
  assert.deepEqual(sketchOf({ up_proj: base }), sketchOf({ up_proj: base }), "the same draw every time");
});

test("modules count by their size, and only those that both extend; layers stand apart", () => {
  const [x, y] = [random(8, 8, 2, 11), random(32, 16, 2, 13)];
  const turned = { ...y, scale: -y.scale };
  const one = sketchOf({ q_proj: x, up_proj: y }, { q_proj: x });
  const two = sketchOf({ q_proj: x, up_proj: turned }, { o_proj: x });
  const { same, opposed } = pairSigns(one, two);
  assert.ok(Math.abs(opposed[0] - 512 / 576) < 1e-12);
  assert.ok(Math.abs(same[0] - 64 / 576) < 1e-12);
  assert.deepEqual([same[1], opposed[1]], [0, 0]);
});

test("zeros agree with everything", () => {
  const zero = { ...F2, b: new Float32Array(4) };
  const pair = pairSigns(sketchOf({ q_proj: F1 }), sketchOf({ q_proj: zero }));
  assert.equal(
    agreementOf([1, 1], () => pair, 0),
    1,
  );
  assert.equal(
    agreementOf([1, -1], () => pair, 0),
    1,
  );
});

test("gates weigh pairs, a negative one turns signs around, and one adapter alone has no agreement", () => {
  const sketches = [sketchOf({ q_proj: F1 }), sketchOf({ q_proj: F2 }), sketchOf({ q_proj: { ...F1, scale: -2 } })];
  const pairOf = (i: number, j: number) => pairSigns(sketches[i], sketches[j]);
  const near = (value: number | undefined, expected: number) =>
    assert.ok(Math.abs(value! - expected) < 1e-12, `${value}`);
  near(agreementOf([1, 1], pairOf, 0), 2 / 3);
  near(agreementOf([0.5, -2], pairOf, 0), 1 / 3);
  // Pairs 01: 2/3, 02: 0, 12: 1/3, at weights 2, 3 and 6.
  near(agreementOf([1, 2, 3], pairOf, 0), (2 * (2 / 3) + 6 * (1 / 3)) / 11);
  assert.equal(agreementOf([1], pairOf, 0), undefined);
  assert.equal(agreementOf([1, 0], pairOf, 0), undefined);
});
