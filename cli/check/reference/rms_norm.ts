// RMSNorm in float64 (Zhang & Sennrich 2019), as Llama uses it: no mean, no bias.

import type { Numbers } from "./linear.ts";

/** y[t] = x[t] / sqrt(mean(x[t]²) + eps) ⊙ weight. x: [T, d]; weight: [d]. Returns [T, d]. */
export function rmsNorm(x: Numbers, weight: Numbers, eps: number): Float64Array {
  const width = weight.length;
  const y = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[row + i] ** 2;
    const scale = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++) y[row + i] = x[row + i] * scale * weight[i];
  }
  return y;
}
