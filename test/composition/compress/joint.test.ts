// Joint diagonalisation: the oracle, an error that never grows, none where the rank suffices, and many matrices as few.

import assert from "node:assert/strict";
import { test } from "node:test";
import { coreOf, expanded, type Joint, jointBases, squaredError } from "../../../composition/compress/joint.ts";
import { type Factored, inner, product, squaredNorm } from "../../../composition/linear/factored.ts";
import { fromRows, type Matrix, matrixOf, multiplyTransposed } from "../../../composition/linear/matrix.ts";
import { randomFloats } from "../../shaders/device.ts";

/** Δ1 = 3·e1e1ᵀ, Δ2 = 2·u2v2ᵀ. */
const G: Factored[] = [
  { b: fromRows([[3], [0], [0], [0]]), a: fromRows([[1, 0, 0, 0]]) },
  { b: fromRows([[1.2], [1.6], [0], [0]]), a: fromRows([[0.8, 0, 0.6, 0]]) },
];

function random(out: number, rank: number, inp: number, seed: number): Factored {
  return {
    b: matrixOf(out, rank, randomFloats(out * rank, seed)),
    a: matrixOf(rank, inp, randomFloats(rank * inp, seed + 1)),
  };
}

/** Of all matrices together, measured entry by entry. */
function errorOf(deltas: readonly Factored[], joint: Joint): number {
  return deltas.reduce((sum, delta, i) => {
    const wanted = product(delta).data;
    const found = product(expanded(joint, joint.cores[i])).data;
    return sum + wanted.reduce((all, value, k) => all + (value - found[k]) ** 2, 0);
  }, 0);
}

function checkOrthonormal(x: Matrix): void {
  const gram = multiplyTransposed(x, x);
  for (const [i, value] of gram.data.entries()) {
    assert.ok(Math.abs(value - (i % (x.cols + 1) === 0 ? 1 : 0)) < 1e-12, `entry ${i} of the Gram matrix is ${value}`);
  }
}

test("fixture G at rank 1", () => {
  const joint = jointBases(G, { rank: 1 });
  assert.ok(Math.abs(errorOf(G, joint) - 2.796817) < 1e-6, `error ${errorOf(G, joint)}`);
  const cores = joint.cores.map(({ data }) => Math.abs(data[0]));
  assert.ok(Math.abs(cores[0] - 2.940454) < 1e-5 && Math.abs(cores[1] - 1.247764) < 1e-5, cores.join(" "));
});

for (const [count, rank, size] of [
  [3, 4, 5],
  [40, 2, 8],
]) {
  test(`${count} matrices: the error falls with every turn and with the rank, to zero`, () => {
    const deltas = Array.from({ length: count }, (_, i) => random(26, rank, 26, 10 * i));
    let before = Number.POSITIVE_INFINITY;
    for (let iterations = 1; iterations <= 8; iterations++) {
      const joint = jointBases(deltas, { rank: size, iterations });
      checkOrthonormal(joint.u);
      checkOrthonormal(joint.v);
      const error = errorOf(deltas, joint);
      assert.ok(error <= before * (1 + 1e-9), `turn ${iterations}: ${error} after ${before}`);
      before = error;
    }
    let lower = Number.POSITIVE_INFINITY;
    for (const wanted of [1, size, 12, 26]) {
      const error = errorOf(deltas, jointBases(deltas, { rank: wanted }));
      assert.ok(error <= lower * (1 + 1e-6), `rank ${wanted}: ${error} after ${lower}`);
      lower = error;
    }
    const all = deltas.reduce((sum, delta) => sum + squaredNorm(delta), 0);
    assert.ok(lower < 1e-18 * all, `the whole space leaves ${lower}`);
  });
}

test("a rank of all ranks together loses nothing, and is not exceeded", () => {
  const deltas = [1, 2, 3].map((rank) => random(20, rank, 24, 50 * rank));
  const joint = jointBases(deltas, { rank: 16 });
  assert.equal(joint.u.cols, 6);
  const all = deltas.reduce((sum, delta) => sum + squaredNorm(delta), 0);
  assert.ok(errorOf(deltas, joint) < 1e-20 * all);
});

test("the error follows from the cores, and a core is the best for its bases", () => {
  const deltas = [0, 1, 2, 3].map((i) => random(18, 3, 22, 7 * i));
  const joint = jointBases(deltas, { rank: 5 });
  const sum = deltas.reduce((all, delta, i) => all + squaredError(squaredNorm(delta), joint.cores[i]), 0);
  assert.ok(Math.abs(sum - errorOf(deltas, joint)) < 1e-9 * sum);
  const core = coreOf(deltas[1], joint.u, joint.v);
  assert.deepEqual(core, joint.cores[1]);
  const rest = inner(deltas[1], expanded(joint, core)) - squaredNorm(expanded(joint, core));
  assert.ok(Math.abs(rest) < 1e-9 * squaredNorm(deltas[1]), "the rest stands across what is kept");
});
