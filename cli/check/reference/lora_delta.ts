// What adapters add to a linear layer's output, token by token, in float64.

import { linear, type Numbers } from "./linear.ts";

/** One module's pair: Δ = scale · B · A; a: [rank, in], b: [out, rank]. */
export interface LoraPair {
  rank: number;
  scale: number;
  a: Numbers;
  b: Numbers;
}

/**
 * y[t] = Σ_e gates[t, e] · scale_e · B_e (A_e x[t]).
 * x: [T, in]; pairs: one an expert, undefined adds nothing; gates: [T, E]. Returns [T, out].
 */
export function loraDelta(
  x: Numbers,
  pairs: readonly (LoraPair | undefined)[],
  gates: Numbers,
  inp: number,
  out: number,
): Float64Array {
  const tokens = x.length / inp;
  const y = new Float64Array(tokens * out);
  pairs.forEach((pair, e) => {
    if (pair === undefined) return;
    const low = linear(x, pair.a, tokens, inp, pair.rank);
    const delta = linear(low, pair.b, tokens, pair.rank, out);
    for (let i = 0; i < y.length; i++) {
      y[i] += gates[Math.floor(i / out) * pairs.length + e] * pair.scale * delta[i];
    }
  });
  return y;
}
