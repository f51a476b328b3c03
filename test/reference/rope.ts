// Rotary position embedding in float64, Hugging Face's convention: dimension i turns with dimension i + D/2.
// GGUF's interleaved pairs are undone by loaders.

import type { Numbers } from "./linear.ts";

/** Linear-rescaling facts, as `rope_scaling` / `rope_parameters` state them. */
export type Scaling =
  | { type: "none" }
  | { type: "linear"; factor: number }
  | { type: "llama3"; factor: number; lowFreqFactor: number; highFreqFactor: number; originalContext: number };

/** Radians a position adds, for each of the headDim/2 pairs (llama3: Llama 3.1's smooth step between two wavelengths). */
export function ropeFrequencies(headDim: number, theta: number, scaling: Scaling): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, i) => {
    const plain = theta ** ((-2 * i) / headDim);
    if (scaling.type === "none") return plain;
    const slow = plain / scaling.factor;
    if (scaling.type === "linear") return slow;
    const turns = (scaling.originalContext * plain) / (2 * Math.PI);
    if (turns < scaling.lowFreqFactor) return slow;
    if (turns > scaling.highFreqFactor) return plain;
    const smooth = (turns - scaling.lowFreqFactor) / (scaling.highFreqFactor - scaling.lowFreqFactor);
    return (1 - smooth) * slow + smooth * plain;
  });
}

/** x: [T, heads, headDim] at the given positions [T]; frequencies: [headDim/2]. Returns [T, heads, headDim]. */
export function rope(x: Numbers, positions: Numbers, heads: number, frequencies: Numbers): Float64Array {
  const half = frequencies.length;
  const y = new Float64Array(x.length);
  for (let t = 0; t < positions.length; t++) {
    for (let h = 0; h < heads; h++) {
      const at = (t * heads + h) * 2 * half;
      for (let i = 0; i < half; i++) {
        const cos = Math.cos(positions[t] * frequencies[i]);
        const sin = Math.sin(positions[t] * frequencies[i]);
        y[at + i] = x[at + i] * cos - x[at + half + i] * sin;
        y[at + half + i] = x[at + half + i] * cos + x[at + i] * sin;
      }
    }
  }
  return y;
}
