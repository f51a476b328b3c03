// A keyed router's similarities in float64: cosines of what tokens have beyond the centre, averaged along a sequence.

import type { Numbers } from "./linear.ts";

/**
 * s_t = s_{t−1} + max(1 / (t + 1), 1 − memory) · (cos(x_t − c, k_e) − s_{t−1}); with memory 0 the cosines themselves.
 * x: [T, d], a whole sequence; keys: [E, d]. Returns s: [T, E], −Infinity where a key is zero.
 */
export function keyAverages(x: Numbers, keys: Numbers, center: Numbers, memory: number): Float64Array {
  const width = center.length;
  const [tokens, experts] = [x.length / width, keys.length / width];
  const averages = new Float64Array(tokens * experts);
  for (let e = 0; e < experts; e++) {
    const key = Array.from({ length: width }, (_, k) => keys[e * width + k]);
    const length = Math.hypot(...key);
    let average = 0;
    for (let t = 0; t < tokens; t++) {
      const beyond = key.map((_, k) => x[t * width + k] - center[k]);
      const product = beyond.reduce((sum, value, k) => sum + value * key[k], 0);
      const cosine = product / (Math.hypot(...beyond) * length);
      average += Math.max(1 / (t + 1), 1 - memory) * (cosine - average);
      averages[t * experts + e] = length === 0 ? Number.NEGATIVE_INFINITY : average;
    }
  }
  return averages;
}
