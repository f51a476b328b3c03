// What adapters add to a linear layer's output, token by token, in float64.

import { linear, type Numbers } from "./linear.ts";

/** One module's pair: Δ = scale · B · A; a: [rank, in], b: [out, rank]. */
export interface LoraPair {
  rank: number;
  scale: number;
  a: Numbers;
  b: Numbers;
  /** What is added of the layer's own output y: gain ⊙ y + shift, [out] each. */
  rows?: { gain: Numbers; shift: Numbers };
}

/**
 * y[t] = Σ_e gates[t, e] · (scale_e · B_e (A_e x[t]) + gain_e ⊙ base[t] + shift_e).
 * x: [T, in]; pairs: one an expert, undefined adds nothing; gates: [T, E]; base: the layer's own output, [T, out], where
 * pairs change rows of it. Returns [T, out].
 */
export function loraDelta(
  x: Numbers,
  pairs: readonly (LoraPair | undefined)[],
  gates: Numbers,
  inp: number,
  out: number,
  base: Numbers = [],
): Float64Array {
  const tokens = x.length / inp;
  const y = new Float64Array(tokens * out);
  pairs.forEach((pair, e) => {
    if (pair === undefined) return;
    const low = linear(x, pair.a, tokens, inp, pair.rank);
    const delta = linear(low, pair.b, tokens, pair.rank, out);
    for (let i = 0; i < y.length; i++) {
      const gate = gates[Math.floor(i / out) * pairs.length + e];
      const changed = pair.rows === undefined ? 0 : pair.rows.gain[i % out] * base[i] + pair.rows.shift[i % out];
      y[i] += gate * (pair.scale * delta[i] + changed);
    }
  });
  return y;
}
