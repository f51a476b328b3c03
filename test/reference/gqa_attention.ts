// Grouped-query attention in float64, causal, over K and V that are already there.
// K and V lie in the order of positions, without pages.

import type { Numbers } from "./linear.ts";
import { softmax } from "./softmax.ts";

export interface AttentionShape {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

/**
 * out[t, h] = Σ_s softmax_s(q[t, h] · k[s, g(h)] / sqrt(D)) · v[s, g(h)] over s ≤ positions[t], g(h) = floor(h / (heads / kvHeads)).
 * q: [T, heads, D]; k, v: [S, kvHeads, D] for positions 0 … S−1; positions: [T], each below S. Returns [T, heads, D].
 */
export function gqaAttention(
  q: Numbers,
  k: Numbers,
  v: Numbers,
  positions: Numbers,
  shape: AttentionShape,
): Float64Array {
  const { numHeads, numKvHeads, headDim } = shape;
  const out = new Float64Array(positions.length * numHeads * headDim);
  for (let t = 0; t < positions.length; t++) {
    for (let h = 0; h < numHeads; h++) {
      const query = (t * numHeads + h) * headDim;
      const key = (s: number): number => (s * numKvHeads + Math.floor((h * numKvHeads) / numHeads)) * headDim;
      const scores = Float64Array.from({ length: positions[t] + 1 }, (_, s) => {
        let dot = 0;
        for (let i = 0; i < headDim; i++) dot += q[query + i] * k[key(s) + i];
        return dot / Math.sqrt(headDim);
      });
      softmax(scores).forEach((weight, s) => {
        for (let i = 0; i < headDim; i++) out[query + i] += weight * v[key(s) + i];
      });
    }
  }
  return out;
}
