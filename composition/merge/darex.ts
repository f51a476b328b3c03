// DAREx-q: entries are dropped by chance, and the rest is rescaled so that the outputs on some texts stay as they were.

import { type Factored, product } from "../linear/factored.ts";
import { type Matrix, multiply, zeros } from "../linear/matrix.ts";
import type { Masks } from "./combine.ts";
import { keepMasked } from "./prune.ts";

export interface DarexOptions {
  density: number;
  lambda: number;
  masks: Masks;
  /** Inputs of the matrix on some texts, [in, tokens]. */
  inputs: Matrix;
}

/**
 * λ·Σ wᵢ·(maskᵢ ⊙ Δᵢ)/qᵢ, [out, in].
 *
 * Source: DAREx (Deng et al. 2024, arXiv 2410.09344) chooses q above the kept share by the change of outputs; here it is
 * the least-squares solution of that.
 */
export function rescaledByOutputs(
  deltas: readonly Factored[],
  weights: readonly number[],
  options: DarexOptions,
): Matrix {
  const sum = zeros(deltas[0].b.rows, deltas[0].a.cols);
  for (const [i, delta] of deltas.entries()) {
    const kept = product(delta).data;
    if (options.density < 1) keepMasked(kept, options.masks(i, kept.length, options.density), 1);
    const factor = outputFactor(delta, { ...sum, data: kept }, options.inputs) * weights[i] * options.lambda;
    for (let k = 0; k < kept.length; k++) sum.data[k] += factor * kept[k];
  }
  return sum;
}

/** 1/q = ⟨Y, Z⟩/⟨Z, Z⟩ with Y = Δ·X and Z = kept·X; 1 where nothing that was kept shows in the outputs. */
export function outputFactor(delta: Factored, kept: Matrix, inputs: Matrix): number {
  const y = multiply(delta.b, multiply(delta.a, inputs)).data;
  const z = multiply(kept, inputs).data;
  let [yz, zz] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    yz += y[i] * z[i];
    zz += z[i] * z[i];
  }
  return zz > 0 ? yz / zz : 1;
}
