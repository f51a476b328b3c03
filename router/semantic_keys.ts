// Makes the keys of a keyed router from what its experts' texts look like in a layer, and the thresholds at which they are met.
// The routing kernels compute the same similarities for every token (shaders/routing/route.wgsl).

import type { KeyLayer } from "./mixture.ts";

/** The direction of `mean` seen from `center`, a unit vector [d]; zeros where they are the same: no key. */
export function unitKey(mean: Float64Array, center: Float64Array | Float32Array): Float32Array {
  const beyond = mean.map((value, k) => value - center[k]);
  const length = Math.hypot(...beyond);
  return Float32Array.from(beyond, (value) => (length === 0 ? 0 : value / length));
}

/** The mean of vectors of one length, so that each counts the same. */
export function meanOf(vectors: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (const [k, value] of vector.entries()) sum[k] += value / vectors.length;
  return sum;
}

/**
 * The similarities of a text's tokens to each key: cosines of what they have beyond the centre, averaged over the tokens
 * before as `memory` says. x: [T, d], from the text's first token on. Returns [T, E]; 0 where there is no key.
 */
export function keySimilarities(
  x: Float32Array,
  { keys, center }: Pick<KeyLayer, "keys" | "center">,
  memory: number,
): Float64Array {
  const width = center.length;
  const tokens = x.length / width;
  const experts = keys.length / width;
  const similar = new Float64Array(tokens * experts);
  const beyond = new Float64Array(width);
  for (let t = 0; t < tokens; t++) {
    let square = 0;
    for (let k = 0; k < width; k++) {
      beyond[k] = x[t * width + k] - center[k];
      square += beyond[k] * beyond[k];
    }
    const share = Math.max(1 / (t + 1), 1 - memory);
    for (let e = 0; e < experts; e++) {
      let product = 0;
      for (let k = 0; k < width; k++) product += beyond[k] * keys[e * width + k];
      const cosine = square === 0 ? 0 : product / Math.sqrt(square);
      const before = t === 0 ? 0 : similar[(t - 1) * experts + e];
      similar[t * experts + e] = before + share * (cosine - before);
    }
  }
  return similar;
}

/** The value that a share of at least `recall` of the values reaches; a little below it, so that rounding loses none. */
export function thresholdFor(values: readonly number[], recall: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = Math.min(sorted.length - 1, Math.floor((1 - recall) * sorted.length));
  return sorted[at] - 1e-6;
}
