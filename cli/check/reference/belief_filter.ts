// The belief router's recurrence in float64: the forward filter of a switching process (docs/architecture.md).

import type { Numbers } from "./linear.ts";
import { logSumExp } from "./softmax.ts";

/**
 * b_t ∝ exp(e_t) ⊙ ((1 − ρ_t) · b_{t−1} + ρ_t / E) with e_t = z[t, 0..E) and ρ_t = sigmoid(z[t, E]).
 * z: [T, E + 1]; start: log b before the first of these tokens, [E] (absent: uniform). Returns log b: [T, E].
 */
export function beliefFilter(z: Numbers, experts: number, start?: Numbers): Float64Array {
  const tokens = z.length / (experts + 1);
  const beliefs = new Float64Array(tokens * experts);
  let previous = start === undefined ? new Float64Array(experts).fill(1 / experts) : Float64Array.from(start, Math.exp);
  for (let t = 0; t < tokens; t++) {
    const row = t * (experts + 1);
    const rho = 1 / (1 + Math.exp(-z[row + experts]));
    const grown = previous.map((b, e) => z[row + e] + Math.log((1 - rho) * b + rho / experts));
    const total = logSumExp(grown);
    const belief = grown.map((value) => value - total);
    beliefs.set(belief, t * experts);
    previous = belief.map(Math.exp);
  }
  return beliefs;
}
