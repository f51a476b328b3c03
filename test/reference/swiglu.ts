// SiLU and the gated product of Llama's MLP (Shazeer 2020) in float64.

import type { Numbers } from "./linear.ts";

/** x · sigmoid(x). */
export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

/** silu(gate) ⊙ up; both of one length. */
export function swiglu(gate: Numbers, up: Numbers): Float64Array {
  return Float64Array.from(gate, (value, i) => silu(value) * up[i]);
}
