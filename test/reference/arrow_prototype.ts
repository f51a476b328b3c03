// Arrow's prototype of an expert in float64 (Ostapenko et al. 2024): the direction a layer's deltas stretch most.
// The logit |x · v| is the caller's.

import type { Numbers } from "../../cli/check/reference/linear.ts";
import type { LoraPair } from "../../cli/check/reference/lora_delta.ts";

/**
 * Top right singular vector of the deltas (scale · B · A) stacked by rows, by power iteration on their Gram matrix.
 * pairs: the layer's q, k, v deltas that exist, at least one; d: width of their input. Returns [d], length 1, sign arbitrary.
 */
export function arrowPrototype(pairs: readonly LoraPair[], d: number): Float64Array {
  const gram = gramOf(pairs, d);
  let vector = largestRow(gram, d);
  for (let step = 0; step < 20_000; step++) {
    const next = unit(times(gram, vector));
    const moved = next.reduce((sum, value, i) => sum + (value - vector[i]) ** 2, 0);
    vector = next;
    if (moved < 1e-30) break;
  }
  return vector;
}

/** Σ MᵀM over the deltas M: [out, d] of the pairs. Returns [d, d]. */
function gramOf(pairs: readonly LoraPair[], d: number): Float64Array {
  const gram = new Float64Array(d * d);
  for (const { a, b, rank, scale } of pairs) {
    for (let o = 0; o < b.length / rank; o++) {
      const row = new Float64Array(d);
      for (let r = 0; r < rank; r++) {
        for (let i = 0; i < d; i++) row[i] += scale * b[o * rank + r] * a[r * d + i];
      }
      for (let i = 0; i < d; i++) {
        for (let j = 0; j < d; j++) gram[i * d + j] += row[i] * row[j];
      }
    }
  }
  return gram;
}

function times(matrix: Float64Array, vector: Numbers): Float64Array {
  const d = vector.length;
  return Float64Array.from({ length: d }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < d; j++) sum += matrix[i * d + j] * vector[j];
    return sum;
  });
}

function unit(vector: Float64Array): Float64Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** A start that is never orthogonal to the answer by accident of symmetry. */
function largestRow(gram: Float64Array, d: number): Float64Array {
  let best = 0;
  for (let i = 1; i < d; i++) if (gram[i * d + i] > gram[best * d + best]) best = i;
  return unit(gram.slice(best * d, (best + 1) * d));
}
