import assert from "node:assert/strict";
import { test } from "node:test";
import { entriesOf, signConflict, weightedConflict } from "../../../composition/diagnose/entries.ts";
import { gramOf, interference, nuclearNorm, pairMeasures } from "../../../composition/diagnose/gram.ts";
import { spectrumOf } from "../../../composition/diagnose/spectrum.ts";
import { type Factored, factoredSvd, product } from "../../../composition/linear/factored.ts";
import { fromRows, type Matrix, scaled } from "../../../composition/linear/matrix.ts";
import { Random } from "../../../composition/random.ts";
import { assertClose as near } from "../linear/near.ts";

// The numbers of this pair were computed with NumPy.
const FIRST: Factored = {
  a: fromRows([
    [1, -2, 3],
    [0.5, 4, -1],
  ]),
  b: scaled(
    fromRows([
      [1, 2],
      [-3, 0.5],
    ]),
    2,
  ),
};
const SECOND: Factored = {
  a: fromRows([
    [2, 1, -1.5],
    [-4, 0.25, 3.5],
  ]),
  b: fromRows([
    [0.75, -1],
    [2, 1.5],
  ]),
};
const DELTAS = [FIRST, SECOND];

test("spectra of a pair of two by three", () => {
  const [first, second] = DELTAS.map((delta) => spectrumOf(factoredSvd(delta).s));
  near([first.norm ** 2, second.norm ** 2], [811.25, 66.59375], 1e-9);
  near([first.stableRank, second.stableRank], [1.191341, 1.095914], 1e-6);
  near([first.effectiveRank, second.effectiveRank], [1.848683, 1.728013], 1e-6);
  near([first.concentration * first.stableRank], [1], 1e-12);
});

test("signs, their weight, the angle between and the subspaces of the pair", () => {
  const [x, y] = entriesOf(DELTAS, 0);
  near([signConflict(x, y), weightedConflict([x, y])], [1 / 3, 0.112211], 1e-6);
  const { cosine, normRatio, inputAngles } = pairMeasures(gramOf(DELTAS.map(factoredSvd)), 0, 1);
  near([cosine, normRatio], [0.107559, Math.sqrt(66.59375 / 811.25)], 1e-6);
  near(inputAngles, [1, 0.271772], 1e-6);
});

test("interference of single triples that lean on each other", () => {
  const deltas = [
    { a: fromRows([[1, 0, 0, 0]]), b: fromRows([[3], [0], [0], [0]]) },
    { a: fromRows([[0.8, 0, 0.6, 0]]), b: fromRows([[1.2], [1.6], [0], [0]]) },
  ];
  const gram = gramOf(deltas.map(factoredSvd));
  near([interference(gram, [0, 1]), nuclearNorm(gram, [0, 1])], [2.4, 5], 1e-9);
  for (const alone of [0, 1]) assert.ok(interference(gram, [alone]) < 1e-12);
});

test("measures from factors equal those of the whole matrices", () => {
  const random = new Random(5);
  const draw = (rows: number, cols: number) =>
    fromRows(Array.from({ length: rows }, () => Array.from({ length: cols }, () => random.next() - 0.5)));
  const deltas = [3, 5].map((rank) => ({ b: draw(9, rank), a: draw(rank, 12) }));
  const [x, y] = deltas.map(product);
  const whole = (matrix: Matrix) => Math.hypot(...matrix.data);
  const { cosine, drownsFirst } = pairMeasures(gramOf(deltas.map(factoredSvd)), 0, 1);
  const inner = x.data.reduce((sum, value, i) => sum + value * y.data[i], 0);
  near([cosine], [inner / whole(x) / whole(y)], 1e-10);
  // Y·Vₓ, row by row.
  const { vt } = factoredSvd(deltas[0]);
  let seen = 0;
  for (let i = 0; i < 9; i++) {
    for (let k = 0; k < vt.rows; k++) {
      let sum = 0;
      for (let j = 0; j < 12; j++) sum += y.data[i * 12 + j] * vt.data[k * 12 + j];
      seen += sum * sum;
    }
  }
  near([drownsFirst], [Math.sqrt(seen) / whole(x)], 1e-10);
});

test("a large matrix is judged by a block that its seed draws", () => {
  const random = new Random(6);
  const draw = (rows: number, cols: number) => ({
    rows,
    cols,
    data: Float64Array.from({ length: rows * cols }, () => random.next() - 0.5),
  });
  const deltas = [1, 2].map(() => ({ b: draw(300, 4), a: draw(4, 700) }));
  const [x, y] = entriesOf(deltas, 1);
  assert.deepEqual([x.rows, x.cols], [96, 256]);
  assert.deepEqual(entriesOf(deltas, 1), [x, y]);
  assert.notDeepEqual(entriesOf(deltas, 2)[0], x);
  const exact = signConflict(product(deltas[0]), product(deltas[1]));
  assert.ok(Math.abs(signConflict(x, y) - exact) < 0.05, `${signConflict(x, y)} of ${exact}`);
});
