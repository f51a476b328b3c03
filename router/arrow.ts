// Arrow prototypes: for each expert and layer, the input direction that its adapter changes most.
// An expert's logit in a layer is |x·v|, with v its prototype; the routing kernel computes it.

import type { Adapter, LoraModule } from "../files/lora/adapter.ts";
import { topEigenvector } from "./lanczos.ts";

const STACKED = ["q_proj", "k_proj", "v_proj"] as const;

/**
 * Top right singular vector of an expert's q, k, v deltas stacked by rows, [hidden size], unit norm; its largest
 * component is positive, since the sign of a singular vector means nothing. undefined where the expert extends none of
 * the three modules in this layer, or only with zeros: such an expert never wins.
 *
 * Source: Arrow (Ostapenko et al. 2024, arXiv 2405.11157). With Δ = s·B·A stacked, ΔᵀΔ = Σ Aᵀ(s²BᵀB)A is applied to
 * vectors through the factors; nothing of size out × in is formed. What else a module adds (DoRA's gains, biases) is left out.
 */
export function arrowPrototype(layer: Adapter["layers"][number]): Float32Array | undefined {
  const modules = STACKED.flatMap((name) => layer[name] ?? []).filter(({ rank }) => rank > 0);
  if (modules.length === 0) return undefined;
  const operators = modules.map(toOperator);
  const size = modules[0].a.length / modules[0].rank;
  const rank = modules.reduce((sum, module) => sum + module.rank, 0);
  const apply = (v: Float64Array): Float64Array => {
    const out = new Float64Array(size);
    for (const operator of operators) operator(v, out);
    return out;
  };
  const vector = topEigenvector(apply, size, Math.min(rank, size));
  return vector && Float32Array.from(orient(vector));
}

/** out += Aᵀ (s² BᵀB) A v */
function toOperator({ rank, scale, a, b }: LoraModule): (v: Float64Array, out: Float64Array) => void {
  const size = a.length / rank;
  const core = new Float64Array(rank * rank);
  for (let row = 0; row < b.length; row += rank) {
    for (let i = 0; i < rank; i++) {
      const left = scale * scale * b[row + i];
      for (let j = 0; j < rank; j++) core[i * rank + j] += left * b[row + j];
    }
  }
  return (v, out) => {
    const shrunk = new Float64Array(rank);
    for (let i = 0; i < rank; i++) {
      let sum = 0;
      for (let n = 0; n < size; n++) sum += a[i * size + n] * v[n];
      shrunk[i] = sum;
    }
    for (let i = 0; i < rank; i++) {
      let sum = 0;
      for (let j = 0; j < rank; j++) sum += core[i * rank + j] * shrunk[j];
      for (let n = 0; n < size; n++) out[n] += sum * a[i * size + n];
    }
  };
}

function orient(vector: Float64Array): Float64Array {
  const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
  return largest < 0 ? vector.map((x) => -x) : vector;
}
