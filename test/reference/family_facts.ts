// What families compute beyond a plain Llama, in float64: attention with a window and caps, GELU, RoPE on a part of a head.

import type { Numbers } from "../../cli/check/reference/linear.ts";
import { rope } from "../../cli/check/reference/rope.ts";
import { softmax } from "../../cli/check/reference/softmax.ts";

export interface ScoreFacts {
  /** Default 1 / √D. */
  scale?: number;
  /** Scores become softcap · tanh(score / softcap). */
  softcap?: number;
  /** Of the positions up to its own, a row sees the last `window`. Default all. */
  window?: number;
}

/** As gqaAttention (cli/check/reference/gqa_attention.ts), with these facts. */
export function factAttention(
  q: Numbers,
  k: Numbers,
  v: Numbers,
  positions: Numbers,
  shape: ScoreFacts & { numHeads: number; numKvHeads: number; headDim: number },
): Float64Array {
  const { numHeads, numKvHeads, headDim, scale = headDim ** -0.5, softcap, window = Number.POSITIVE_INFINITY } = shape;
  const out = new Float64Array(positions.length * numHeads * headDim);
  for (let t = 0; t < positions.length; t++) {
    for (let h = 0; h < numHeads; h++) {
      const query = (t * numHeads + h) * headDim;
      const key = (s: number): number => (s * numKvHeads + Math.floor((h * numKvHeads) / numHeads)) * headDim;
      const first = Math.max(0, positions[t] + 1 - window);
      const scores = Float64Array.from({ length: positions[t] + 1 - first }, (_, n) => {
        let dot = 0;
        for (let i = 0; i < headDim; i++) dot += q[query + i] * k[key(first + n) + i];
        return softcap === undefined ? dot * scale : softcap * Math.tanh((dot * scale) / softcap);
      });
      softmax(scores).forEach((weight, n) => {
        for (let i = 0; i < headDim; i++) out[query + i] += weight * v[key(first + n) + i];
      });
    }
  }
  return out;
}

/** GELU by its approximation with tanh (Hendrycks & Gimpel 2016). */
export function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** As rope (cli/check/reference/rope.ts), on the first 2 · frequencies.length elements of each head of `headDim`; the others are kept. */
export function partialRope(
  x: Numbers,
  positions: Numbers,
  heads: number,
  frequencies: Numbers,
  headDim: number,
): Float64Array {
  const rotary = 2 * frequencies.length;
  const y = Float64Array.from(x);
  for (let row = 0; row < positions.length * heads; row++) {
    const head = y.subarray(row * headDim, row * headDim + rotary);
    head.set(rope(head, [positions[Math.floor(row / heads)]], 1, frequencies));
  }
  return y;
}
