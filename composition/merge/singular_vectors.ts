// Merging in the bases that singular value decompositions give: Task Singular Vectors and KnOTS.

import { type Factored, factoredSvd } from "../linear/factored.ts";
import {
  firstColumns,
  firstRows,
  joinColumns,
  joinRows,
  type Matrix,
  multiply,
  rowOf,
  scaleColumns,
  transpose,
  zeros,
} from "../linear/matrix.ts";
import { type Svd, svd } from "../linear/svd.ts";

/** A singular value so much smaller than the largest one is rounding. */
const NOTHING = 1e-10;

/** The triples of one task. @param most fewer are kept where there are fewer. */
function triples(delta: Factored, most: number): Svd {
  const { u, s, vt } = factoredSvd(delta);
  const real = s.findIndex((value) => !(value > NOTHING * s[0]));
  const kept = Math.min(most, real < 0 ? s.length : real);
  return {
    u: firstColumns(u, kept),
    s: s.slice(0, kept),
    vt: firstRows(vt, kept),
  };
}

/**
 * Task Singular Vectors, merge (Gargiulo et al. 2024, arXiv 2412.00081): each task's `each` largest triples side by side,
 * their vectors orthogonalised as a whole, U(UᵀU)^−½, so that tasks no longer reach into each other. Copies of one task
 * give that task: what depends on others is shared out. Deltas that are zero add nothing.
 */
export function taskSingularVectors(deltas: readonly Factored[], each: number): Factored {
  const parts = deltas.map((delta) => triples(delta, each)).filter(({ s }) => s.length > 0);
  if (parts.length === 0) return { b: zeros(deltas[0].b.rows, 1), a: zeros(1, deltas[0].a.cols) };
  const u = orthogonalised(joinColumns(parts.map((part) => part.u)));
  const v = orthogonalised(transpose(joinRows(parts.map((part) => part.vt))));
  return {
    b: scaleColumns(
      u,
      parts.flatMap(({ s }) => [...s]),
    ),
    a: transpose(v),
  };
}

/** Task Singular Vectors, compress: the `each` largest triples of every task, summed as they are. */
export function compressedTasks(deltas: readonly Factored[], each: number): Factored {
  const parts = deltas.map((delta) => triples(delta, each)).filter(({ s }) => s.length > 0);
  if (parts.length === 0) return { b: zeros(deltas[0].b.rows, 1), a: zeros(1, deltas[0].a.cols) };
  return {
    b: joinColumns(parts.map(({ u, s }) => scaleColumns(u, s))),
    a: joinRows(parts.map(({ vt }) => vt)),
  };
}

/** X(XᵀX)^−½, by X = P·S·Qᵀ: P·Qᵀ over the singular values that are not zero (the nearest matrix with XᵀX a projection). */
export function orthogonalised(x: Matrix): Matrix {
  const { u, s, vt } = svd(x);
  const real = s.map((value) => (value > NOTHING * s[0] ? 1 : 0));
  return multiply(scaleColumns(u, real), vt);
}

/**
 * KnOTS (Stoica et al. 2024, arXiv 2410.19735): the deltas beside each other, [Δ₁ … Δ_T] = U·S·[V₁ᵀ … V_Tᵀ], share U; the
 * blocks S·Vₜᵀ, [k, in] each, are merged entry by entry, and U carries the result back. A plain sum gives Σ Δₜ.
 */
export function inSharedBasis(
  deltas: readonly Factored[],
  merge: (blocks: readonly Float64Array[]) => Float64Array,
): Factored {
  const inputs = deltas[0].a.cols;
  const wide = zeros(
    deltas.reduce((sum, { a }) => sum + a.rows, 0),
    inputs * deltas.length,
  );
  let row = 0;
  for (const [t, { a }] of deltas.entries()) {
    for (let i = 0; i < a.rows; i++) wide.data.set(rowOf(a, i), row++ * wide.cols + t * inputs);
  }
  const { u, s, vt } = factoredSvd({ b: joinColumns(deltas.map(({ b }) => b)), a: wide });
  const real = s.findIndex((value) => !(value > NOTHING * s[0]));
  const kept = Math.max(1, real < 0 ? s.length : real);
  const blocks = deltas.map((_, t) => {
    const block = new Float64Array(kept * inputs);
    for (let k = 0; k < kept; k++) {
      const part = rowOf(vt, k).subarray(t * inputs, (t + 1) * inputs);
      for (let i = 0; i < inputs; i++) block[k * inputs + i] = s[k] * part[i];
    }
    return block;
  });
  return { b: firstColumns(u, kept), a: { rows: kept, cols: inputs, data: merge(blocks) } };
}
