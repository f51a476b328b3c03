// QR, SVD and factored products against NumPy (test/fixtures/scripts/linear.py) and by what defines them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Factored,
  factoredSvd,
  inner,
  product,
  squaredNorm,
  truncated,
  weightedSum,
} from "../../../composition/linear/factored.ts";
import { fromRows, type Matrix, multiply, scaled, zeros } from "../../../composition/linear/matrix.ts";
import { qr } from "../../../composition/linear/qr.ts";
import { svd } from "../../../composition/linear/svd.ts";
import { Random } from "../../../training/random.ts";
import { assertClose, assertNear, assertOrthonormalColumns, assertOrthonormalRows, composed } from "./near.ts";

interface Fixture {
  svd: { name: string; x: number[][]; s: number[]; rank2: number[][] }[];
  factors: number[][][];
  inner: number;
}

const FIXTURE: Fixture = JSON.parse(readFileSync(join(process.cwd(), "test/fixtures/composition/linear.json"), "utf8"));

/** Entries in [−1, 1). */
function random(rows: number, cols: number, seed: number): Matrix {
  const stream = new Random(seed, rows, cols);
  return { rows, cols, data: Float64Array.from({ length: rows * cols }, () => 2 * stream.next() - 1) };
}

function rowsOf({ rows, cols, data }: Matrix): number[][] {
  return Array.from({ length: rows }, (_, i) => [...data.subarray(i * cols, (i + 1) * cols)]);
}

for (const { name, x, s, rank2 } of FIXTURE.svd) {
  test(`SVD as NumPy's: ${name}`, () => {
    const found = svd(fromRows(x));
    assertClose(found.s, s, 1e-13, "singular values");
    assertNear(composed(found), x, 1e-13, "U·S·Vᵀ");
    assertOrthonormalColumns(found.u, "U");
    assertOrthonormalRows(found.vt, "V");
    assertNear(product(truncated(found, 2)), rank2, 1e-12, "rank 2");
  });

  test(`QR: ${name}`, () => {
    const { q, r } = qr(fromRows(x));
    assertOrthonormalColumns(q, "Q");
    assertNear(multiply(q, r), x, 1e-14, "Q·R");
    for (let i = 0; i < r.rows; i++) for (let j = 0; j < i; j++) assert.equal(r.data[i * r.cols + j], 0);
  });
}

test("small singular values keep their relative accuracy, where columns are badly scaled", () => {
  const { x, s } = FIXTURE.svd.find(({ name }) => name === "scaled")!;
  const turned = svd(fromRows(x));
  for (const [i, value] of turned.s.entries()) assert.ok(Math.abs(value - s[i]) <= 1e-13 * s[0], `${i}: ${value}`);
  // By the determinant of the Gram matrix of a known product: diag scales out of an orthogonal matrix exactly.
  const scales = [1e3, 1, 1e-5, 1e-9];
  const { q } = qr(random(6, 4, 3));
  const known = svd({ ...q, data: q.data.map((value, i) => value * scales[i % 4]) });
  for (const [i, value] of known.s.entries()) assert.ok(Math.abs(value / scales[i] - 1) < 1e-12, `${i}: ${value}`);
});

test("SVD refuses NaN and infinities", () => {
  assert.throws(() => svd(fromRows([[1, Number.NaN]])), RangeError);
  assert.throws(() => svd(fromRows([[Number.POSITIVE_INFINITY]])), RangeError);
});

test("an SVD depends on the matrix alone: the sign of its vectors is settled", () => {
  const x = random(5, 4, 1);
  const { vt } = svd(x);
  const negative = svd(scaled(x, -1));
  assertNear(negative.vt, rowsOf(vt), 1e-12);
});

test("inner products and norms come from the factors", () => {
  const [b1, a1, b2, a2] = FIXTURE.factors.map(fromRows);
  assertClose([inner({ b: b1, a: a1 }, { b: b2, a: a2 })], [FIXTURE.inner], 1e-13);
  assert.equal(squaredNorm({ b: zeros(3, 2), a: zeros(2, 4) }), 0);
});

test("the SVD of a stack is that of the weighted sum it stands for", () => {
  for (const [out, inp, ranks] of [
    [11, 7, [2, 3]],
    [5, 9, [1, 4]],
    [6, 6, [4, 4, 4]],
  ] as const) {
    const deltas = ranks.map((rank, i): Factored => ({ b: random(out, rank, i), a: random(rank, inp, i + 9) }));
    const weights = [0.5, -2, 1];
    const sum = zeros(out, inp);
    for (const [i, delta] of deltas.entries()) {
      product(delta).data.forEach((value, k) => {
        sum.data[k] += weights[i] * value;
      });
    }
    const stack = weightedSum(deltas, weights);
    assertNear(product(stack), rowsOf(sum), 1e-14);
    const [direct, factored] = [svd(sum), factoredSvd(stack)];
    const rank = factored.s.length;
    assertClose(factored.s, direct.s.subarray(0, rank), 1e-13);
    assertNear(composed(factored), rowsOf(sum), 1e-13);
    assertOrthonormalColumns(factored.u);
    assertOrthonormalRows(factored.vt);
  }
});

test("fixture F of the field's sheet: norms, cosine and singular values", () => {
  const one = {
    b: fromRows([
      [2, 4],
      [-6, 1],
    ]),
    a: fromRows([
      [1, -2, 3],
      [0.5, 4, -1],
    ]),
  };
  const two = {
    b: fromRows([
      [0.75, -1],
      [2, 1.5],
    ]),
    a: fromRows([
      [2, 1, -1.5],
      [-4, 0.25, 3.5],
    ]),
  };
  assert.equal(squaredNorm(one), 811.25);
  assert.equal(squaredNorm(two), 66.59375);
  assert.equal(inner(one, two), 25);
  assertClose(factoredSvd(one).s, [26.095116, 11.414681], 1e-6);
  assertClose(factoredSvd(two).s, [7.795223, 2.414177], 1e-6);
  assertClose(factoredSvd(weightedSum([one, two], [2, 0.25])).s, [52.476781956479144, 22.811169739124402], 1e-13);
});
