// Comparing matrices in tests.

import assert from "node:assert/strict";
import {
  type Matrix,
  multiply,
  multiplyTransposed,
  rowProducts,
  scaleColumns,
} from "../../../composition/linear/matrix.ts";
import type { Svd } from "../../../composition/linear/svd.ts";

/** Every entry within `tolerance` of the largest expected magnitude. */
export function assertNear(got: Matrix, expected: readonly (readonly number[])[], tolerance: number, what = ""): void {
  assert.deepEqual([got.rows, got.cols], [expected.length, expected[0].length], what);
  assertClose(got.data, expected.flat(), tolerance, what);
}

/** The same for lists. */
export function assertClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = ""): void {
  assert.equal(got.length, expected.length, what);
  let largest = 0;
  let worst = 0;
  for (let i = 0; i < got.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    const off = Math.abs(got[i] - expected[i]);
    worst = off > worst || Number.isNaN(off) ? off : worst;
  }
  assert.ok(worst <= tolerance * largest || worst === 0, `${what}: off by ${worst}, largest is ${largest}`);
}

/** Rows orthonormal to rounding. */
export function assertOrthonormalRows(x: Matrix, what = ""): void {
  assertIdentity(rowProducts(x, x), what);
}

export function assertOrthonormalColumns(x: Matrix, what = ""): void {
  assertIdentity(multiplyTransposed(x, x), what);
}

function assertIdentity(x: Matrix, what: string): void {
  for (let i = 0; i < x.rows; i++) {
    for (let j = 0; j < x.cols; j++) {
      const off = Math.abs(x.data[i * x.cols + j] - (i === j ? 1 : 0));
      assert.ok(off < 1e-13, `${what}: ${x.data[i * x.cols + j]} at ${i}, ${j}`);
    }
  }
}

/** U·diag(s)·Vᵀ */
export function composed({ u, s, vt }: Svd): Matrix {
  return multiply(scaleColumns(u, s), vt);
}
