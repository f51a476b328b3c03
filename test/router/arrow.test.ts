import assert from "node:assert/strict";
import { test } from "node:test";
import type { Adapter, LoraModule } from "../../files/lora/adapter.ts";
import { arrowPrototype } from "../../router/arrow.ts";
import { topEigenvector } from "../../router/lanczos.ts";

const A1 = [1, -2, 3, 0.5, 4, -1];
const B1 = [1, 2, -3, 0.5];
const A2 = [2, 1, -1.5, -4, 0.25, 3.5];
const B2 = [0.75, -1, 2, 1.5];

function lora(scale: number, a: number[], b: number[], rank = 2): LoraModule {
  return { rank, scale, a: Float32Array.from(a), b: Float32Array.from(b) };
}

function prototype(layer: Adapter["layers"][number]): Float32Array | undefined {
  return arrowPrototype(layer);
}

function assertUpToSign(found: Float32Array | undefined, expected: number[], tolerance = 1e-6): void {
  assert.ok(found);
  const sign = Math.sign(found[0] * expected[0]);
  for (const [i, x] of expected.entries()) assert.ok(Math.abs(sign * found[i] - x) < tolerance, `${[...found]}`);
}

// v1, v2 and the logits as PEFT 0.21.0 and NumPy give them for this pair of adapters.
test("one module: the top right singular vector of B·A", () => {
  const v1 = prototype({ q_proj: lora(2, A1, B1) });
  const v2 = prototype({ v_proj: lora(1, A2, B2) });
  assertUpToSign(v1, [-0.166292, 0.707851, -0.686509]);
  assertUpToSign(v2, [0.749183, -0.063724, -0.659291]);
  const logit = (v: Float32Array) => Math.abs(v[0] + 0.5 * v[1] - 0.25 * v[2]);
  assert.ok(Math.abs(logit(v1!) - 0.359261) < 1e-6);
  assert.ok(Math.abs(logit(v2!) - 0.882144) < 1e-6);
});

// numpy.linalg.svd of [2·B1·A1; B2·A2; .5·B1·A2]
test("q, k and v are stacked with their scales, other modules do not count", () => {
  const stacked = { q_proj: lora(2, A1, B1), k_proj: lora(1, A2, B2) };
  assertUpToSign(prototype(stacked), [-0.1431391, 0.70360672, -0.69602355]);
  const all = { ...stacked, v_proj: lora(0.5, A2, B1), o_proj: lora(100, A2, B2) };
  assertUpToSign(prototype(all), [-0.11925157, 0.69944394, -0.70466817]);
});

test("the largest component is positive and the norm is one", () => {
  const v = prototype({ q_proj: lora(2, A1, B1) })!;
  assert.ok(v[1] > 0);
  assert.ok(Math.abs(v.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-6);
  assert.deepEqual(prototype({ q_proj: lora(-2, A1, B1) }), v);
});

test("an expert without q, k, v, or with zeros there, has no prototype", () => {
  assert.equal(prototype({}), undefined);
  assert.equal(prototype({ o_proj: lora(1, A1, B1) }), undefined);
  assert.equal(prototype({ q_proj: lora(1, A1, [0, 0, 0, 0]) }), undefined);
});

/** M = V·diag(values)·Vᵀ for V the Householder reflection of `size` ones: dense, its eigenvectors known. */
function reflected(values: number[]): (v: Float64Array) => Float64Array {
  const size = values.length;
  const reflect = (v: Float64Array) => {
    const mean = v.reduce((sum, x) => sum + x, 0) / size;
    return v.map((x) => x - 2 * mean);
  };
  return (v) => reflect(reflect(v).map((x, i) => x * values[i]));
}

test("close eigenvalues, many of them and far scales are told apart", () => {
  const cases: number[][] = [
    Array.from({ length: 64 }, (_, i) => (i < 20 ? 1 + i * 1e-6 : 0)),
    Array.from({ length: 200 }, (_, i) => (i < 90 ? 1 / (i + 1) : 0)),
    [1e-30, 2e-30, 3e-30, 0, 0],
    [4e20, 1, 1e-20],
  ];
  for (const values of cases) {
    const size = values.length;
    const rank = values.filter((x) => x > 0).length;
    const top = values.indexOf(Math.max(...values));
    const expected = Array.from({ length: size }, (_, i) => (i === top ? 1 : 0) - 2 / size);
    const found = topEigenvector(reflected(values), size, rank)!;
    const cosine = Math.abs(found.reduce((sum, x, i) => sum + x * expected[i], 0));
    assert.ok(1 - cosine < 1e-9, `${values.slice(0, 3)}…: 1 - cos = ${1 - cosine}`);
  }
});
