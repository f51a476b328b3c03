// LoHa and LoKr as LoRA pairs with exactly the same delta: both are products of factors of low rank.

import { MoloraError } from "../../proto/errors.ts";

/** A matrix, row-major. */
export interface Matrix {
  rows: number;
  columns: number;
  values: Float32Array;
}

/** B · A: b is [out, rank], a is [rank, in]. */
export interface Pair {
  rank: number;
  a: Float32Array;
  b: Float32Array;
}

/**
 * (B1 · A1) ∘ (B2 · A2), the Hadamard product (LoHa; Hyeon-Woo 2022, prop. 1): B's rows are Kronecker products of the
 * factors' rows, A's columns those of their columns. The rank is the product of theirs.
 */
export function hadamardPair(b1: Matrix, a1: Matrix, b2: Matrix, a2: Matrix): Pair {
  const rank = a1.rows * a2.rows;
  const a = new Float32Array(rank * a1.columns);
  const b = new Float32Array(b1.rows * rank);
  for (let p = 0; p < a1.rows; p++) {
    for (let q = 0; q < a2.rows; q++) {
      const r = p * a2.rows + q;
      for (let k = 0; k < a1.columns; k++) {
        a[r * a1.columns + k] = a1.values[p * a1.columns + k] * a2.values[q * a1.columns + k];
      }
      for (let i = 0; i < b1.rows; i++) {
        b[i * rank + r] = b1.values[i * b1.columns + p] * b2.values[i * b2.columns + q];
      }
    }
  }
  return { rank, a, b };
}

/**
 * W1 ⊗ W2, the Kronecker product (LoKr; Yeh 2024, §3), each given as B · A or whole: (B1 · A1) ⊗ (B2 · A2) =
 * (B1 ⊗ B2) · (A1 ⊗ A2).
 *
 * @throws MoloraError `adapter_unsupported` where that is no smaller than the matrix itself
 */
export function kroneckerPair(name: string, first: Matrix | [Matrix, Matrix], second: Matrix | [Matrix, Matrix]): Pair {
  const [b1, a1] = Array.isArray(first) ? first : split(first);
  const [b2, a2] = Array.isArray(second) ? second : split(second);
  const [out, inp] = [b1.rows * b2.rows, a1.columns * a2.columns];
  const rank = a1.rows * a2.rows;
  if (rank >= Math.min(out, inp)) {
    throw new MoloraError(
      "adapter_unsupported",
      `${name}: a LoKr whose factors are not of low rank (together ${rank} of ${Math.min(out, inp)})`,
      { remedy: "Merge it into its base.", details: { feature: "LoKr of full rank" } },
    );
  }
  return { rank, a: kronecker(a1, a2), b: kronecker(b1, b2) };
}

/** W as B · A with one of them the identity: the rank is the smaller of its sizes. */
function split(whole: Matrix): [Matrix, Matrix] {
  const { rows, columns } = whole;
  return rows <= columns ? [identity(rows), whole] : [whole, identity(columns)];
}

function identity(size: number): Matrix {
  const values = new Float32Array(size * size);
  for (let i = 0; i < size; i++) values[i * size + i] = 1;
  return { rows: size, columns: size, values };
}

function kronecker(left: Matrix, right: Matrix): Float32Array {
  const columns = left.columns * right.columns;
  const product = new Float32Array(left.rows * right.rows * columns);
  for (let i = 0; i < left.rows; i++) {
    for (let k = 0; k < left.columns; k++) {
      const value = left.values[i * left.columns + k];
      if (value === 0) continue;
      for (let p = 0; p < right.rows; p++) {
        const at = (i * right.rows + p) * columns + k * right.columns;
        for (let q = 0; q < right.columns; q++) product[at + q] = value * right.values[p * right.columns + q];
      }
    }
  }
  return product;
}
