// The 2-layer router of one layer in float64: z = fc2 · silu(fc1 · x + b1) + b2.

import { linear, type Numbers } from "./linear.ts";
import { silu } from "./swiglu.ts";

/** fc1Weight: [h, d]; fc1Bias: [h]; fc2Weight: [E', h]; fc2Bias: [E']. */
export interface GateWeights {
  fc1Weight: Numbers;
  fc1Bias: Numbers;
  fc2Weight: Numbers;
  fc2Bias: Numbers;
}

/** x: [T, d], outputs of the layer's input RMSNorm. Returns z: [T, E']. */
export function mlpGate(x: Numbers, weights: GateWeights): Float64Array {
  const hidden = weights.fc1Bias.length;
  const width = weights.fc1Weight.length / hidden;
  const tokens = x.length / width;
  const first = linear(x, weights.fc1Weight, tokens, width, hidden);
  const active = first.map((value, i) => silu(value + weights.fc1Bias[i % hidden]));
  const rows = weights.fc2Bias.length;
  const z = linear(active, weights.fc2Weight, tokens, hidden, rows);
  return z.map((value, i) => value + weights.fc2Bias[i % rows]);
}
