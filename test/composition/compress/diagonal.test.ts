// Diagonal cores: exact where a diagonal can be, never better than full cores, and the best for their factors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { diagonalFor, diagonalised } from "../../../composition/compress/diagonal.ts";
import { jointBases } from "../../../composition/compress/joint.ts";
import { solvePositive } from "../../../composition/compress/solve.ts";
import { type Factored, product, squaredNorm } from "../../../composition/linear/factored.ts";
import {
  type Matrix,
  matrixOf,
  multiply,
  rowProducts,
  scaleColumns,
  transpose,
} from "../../../composition/linear/matrix.ts";
import { randomFloats } from "../../shaders/device.ts";
import { assertClose } from "../linear/near.ts";

function random(rows: number, cols: number, seed: number): Matrix {
  return matrixOf(rows, cols, randomFloats(rows * cols, seed));
}

/** ‖Δ − U·diag(σ)·Vᵀ‖², entry by entry. */
function errorOf(delta: Factored, u: Matrix, sigma: Float64Array, v: Matrix): number {
  const held = rowProducts(scaleColumns(u, sigma), v).data;
  return product(delta).data.reduce((sum, value, i) => sum + (value - held[i]) ** 2, 0);
}

test("matrices that share rank-one terms are told exactly", () => {
  const [u, v] = [random(30, 4, 1), random(24, 4, 2)];
  const deltas = Array.from({ length: 12 }, (_, i) => ({
    b: scaleColumns(u, randomFloats(4, 20 + i)),
    a: transpose(v),
  }));
  const made = diagonalised(jointBases(deltas, { rank: 4 }));
  const all = deltas.reduce((sum, delta) => sum + squaredNorm(delta), 0);
  const error = deltas.reduce((sum, delta, i) => sum + errorOf(delta, made.u, made.cores[i].sigma, made.v), 0);
  assert.ok(error < 1e-4 * all, `${error} of ${all}`);
});

test("what is kept follows from σ, full cores keep more, and other factors' best σ is worked out alone", () => {
  const deltas = Array.from({ length: 20 }, (_, i) => ({ b: random(30, 3, 5 * i), a: random(3, 26, 5 * i + 1) }));
  const joint = jointBases(deltas, { rank: 6 });
  const { u, v, cores } = diagonalised(joint);
  const full = joint.cores.reduce((sum, { data }) => sum + data.reduce((all, value) => all + value * value, 0), 0);
  const kept = cores.reduce((sum, core) => sum + core.kept, 0);
  assert.ok(kept > 0 && kept <= full * (1 + 1e-12), `${kept} of ${full}`);
  const leading = joint.cores.map(({ data }) => Float64Array.from({ length: 6 }, (_, k) => data[7 * k]));
  const plain = leading.reduce((sum, sigma) => sum + sigma.reduce((all, value) => all + value * value, 0), 0);
  assert.ok(kept > plain, `no better than the full cores' own diagonals: ${kept}, ${plain}`);
  for (const [i, delta] of deltas.entries()) {
    const error = errorOf(delta, u, cores[i].sigma, v);
    assert.ok(Math.abs(squaredNorm(delta) - cores[i].kept - error) < 1e-7 * squaredNorm(delta));
    assertClose(diagonalFor(delta, u, v).sigma, cores[i].sigma, 1e-6);
    const nudged = cores[i].sigma.map((value, k) => (k === i % 6 ? value + 0.05 : value));
    assert.ok(errorOf(delta, u, nudged, v) > error);
  }
});

test("equations with a symmetric matrix, and with one that says a thing twice", () => {
  const half = random(5, 5, 9);
  const [matrix, wanted] = [rowProducts(half, half), random(5, 2, 11)];
  assertClose(solvePositive(matrix, multiply(matrix, wanted)).data, wanted.data, 1e-5);
  const twice = matrixOf(2, 2, [1, 1, 1, 1]);
  assertClose(solvePositive(twice, matrixOf(2, 1, [2, 2])).data, [1, 1], 1e-5);
  assertClose(solvePositive(matrixOf(1, 1, [0]), matrixOf(1, 1, [0])).data, [0], 0);
});
