// LoHa and LoKr as pairs: B · A is the product that the papers define, and what is not of low rank is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hadamardPair, kroneckerPair, type Matrix, type Pair } from "../../../files/lora/products.ts";
import { raises } from "../../raises.ts";
import { values } from "./synthetic.ts";

function matrix(rows: number, columns: number, seed: number): Matrix {
  return { rows, columns, values: values(rows * columns, seed) };
}

function product(left: Matrix, right: Matrix): Matrix {
  const out = new Float32Array(left.rows * right.columns);
  for (let i = 0; i < left.rows; i++) {
    for (let k = 0; k < right.columns; k++) {
      for (let r = 0; r < left.columns; r++) {
        out[i * right.columns + k] += left.values[i * left.columns + r] * right.values[r * right.columns + k];
      }
    }
  }
  return { rows: left.rows, columns: right.columns, values: out };
}

function whole({ rank, a, b }: Pair): Matrix {
  const [rows, columns] = [b.length / rank, a.length / rank];
  return product({ rows, columns: rank, values: b }, { rows: rank, columns, values: a });
}

function close(actual: Matrix, expected: (row: number, column: number) => number): void {
  for (const [i, value] of actual.values.entries()) {
    const want = expected(Math.floor(i / actual.columns), i % actual.columns);
    assert.ok(Math.abs(value - want) < 1e-5, `element ${i}: ${value}, expected ${want}`);
  }
}

test("LoHa: every element is the product of the two factors' elements", () => {
  const [b1, a1, b2, a2] = [matrix(5, 2, 1), matrix(2, 7, 2), matrix(5, 3, 3), matrix(3, 7, 4)];
  const pair = hadamardPair(b1, a1, b2, a2);
  assert.equal(pair.rank, 6);
  const [w1, w2] = [product(b1, a1), product(b2, a2)];
  close(whole(pair), (i, k) => w1.values[i * 7 + k] * w2.values[i * 7 + k]);
});

test("LoKr: the blocks of the product are the second factor times an element of the first", () => {
  const [w1, b2, a2] = [matrix(2, 3, 1), matrix(4, 1, 2), matrix(1, 5, 3)];
  const check = (pair: Pair, first: Matrix, second: Matrix) =>
    close(whole(pair), (i, k) => {
      const [p, q] = [Math.floor(i / second.rows), Math.floor(k / second.columns)];
      return (
        first.values[p * first.columns + q] * second.values[(i % second.rows) * second.columns + (k % second.columns)]
      );
    });
  const pair = kroneckerPair("q_proj", w1, [b2, a2]);
  assert.equal(pair.rank, 2);
  check(pair, w1, product(b2, a2));
  const [b1, a1] = [matrix(3, 1, 5), matrix(1, 2, 6)];
  const both = kroneckerPair("q_proj", [b1, a1], matrix(2, 4, 7));
  assert.equal(both.rank, 2);
  check(both, product(b1, a1), matrix(2, 4, 7));
  check(kroneckerPair("q_proj", [b1, a1], matrix(4, 2, 8)), product(b1, a1), matrix(4, 2, 8));
});

test("LoKr of two whole factors is refused by name", () =>
  raises("adapter_unsupported", /layers\.0\.q_proj.*LoKr.*not of low rank.*8 of 8/, async () =>
    kroneckerPair("layers.0.q_proj", matrix(2, 2, 1), matrix(4, 4, 2)),
  ));
