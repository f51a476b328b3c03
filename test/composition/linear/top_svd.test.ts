// The largest triples of large matrices, against the whole decomposition.

import assert from "node:assert/strict";
import { test } from "node:test";
import { product, truncated } from "../../../composition/linear/factored.ts";
import { type Matrix, multiply, zeros } from "../../../composition/linear/matrix.ts";
import { svd } from "../../../composition/linear/svd.ts";
import { topSvd } from "../../../composition/linear/top_svd.ts";
import { Random } from "../../../composition/random.ts";
import { assertClose } from "./near.ts";

/** Noise, of which the density is kept, and a few strong directions. */
function matrix(rows: number, cols: number, density: number, seed: number): Matrix {
  const random = new Random(seed, rows, cols);
  const out = zeros(rows, cols);
  for (let i = 0; i < out.data.length; i++) if (random.next() < density) out.data[i] = 2 * random.next() - 1;
  for (let k = 1; k < 4; k++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) out.data[i * cols + j] += (Math.sin(i * k) * Math.cos(j + k)) / k;
    }
  }
  return out;
}

for (const [rows, cols, density] of [
  [150, 120, 1],
  [110, 240, 0.2],
  [97, 97, 0.5],
  [150, 200, 0.3],
] as const) {
  test(`the triples of [${rows}, ${cols}] are those of the whole decomposition`, () => {
    const x = matrix(rows, cols, density, 5);
    const [whole, top] = [svd(x), topSvd(x, 8)];
    assert.equal(top.s.length, 8);
    assertClose(top.s, whole.s.subarray(0, 8), 1e-9);
    assertClose(product(truncated(top, 8)).data, product(truncated(whole, 8)).data, 1e-4);
  });
}

test("a basis that need not grow to the whole finds what stands out, and holds as much of the rest", () => {
  const x = matrix(260, 230, 0.3, 7);
  const [whole, top] = [svd(x), topSvd(x, 4)];
  assertClose(top.s.slice(0, 3), whole.s.slice(0, 3), 1e-6);
  assertClose(product(truncated(top, 3)).data, product(truncated(whole, 3)).data, 1e-3);
  const held = (s: Float64Array) => s.slice(0, 4).reduce((sum, value) => sum + value * value, 0);
  assert.ok(held(top.s) <= held(whole.s) && held(top.s) > held(whole.s) * (1 - 1e-4));
});

test("repeated singular values are all found", () => {
  const x = zeros(130, 120);
  for (let i = 0; i < 120; i++) x.data[i * 120 + ((i * 7) % 120)] = i < 12 ? 3 : 0.5;
  assertClose(topSvd(x, 12).s, new Float64Array(12).fill(3), 1e-12);
});

test("a matrix of a lower rank than a block is wide, and one of no more than was asked for", () => {
  for (const rank of [1, 3, 12]) {
    const [b, a] = [matrix(300, rank, 1, rank), matrix(rank, 280, 1, rank + 1)];
    const whole = svd(multiply(b, a));
    assertClose(topSvd(multiply(b, a), 12).s, whole.s.subarray(0, 12), 1e-10);
    // Rows of zeros: what is left of a block is zero to the last bit.
    const sparse = multiply(b, a);
    sparse.data.fill(0, 280 * 20);
    assertClose(topSvd(sparse, 2).s, svd(sparse).s.subarray(0, 2), 1e-10);
  }
});
