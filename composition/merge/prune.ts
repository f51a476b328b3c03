// Sparsifying a list of values: the largest kept, or some kept by chance.

import { kthMagnitude } from "../kernels/magnitudes.ts";

/** How many of `count` values a density keeps: the floor, as in PEFT and mergekit. */
export function keptCount(density: number, count: number): number {
  return Math.floor(density * count);
}

/**
 * The magnitude from which on values are kept, so that these are the `kept` largest, of equal ones the first. Where not all of
 * the equal ones are kept, `values` is a copy without the others.
 */
export function largest(values: Float64Array, kept: number): { values: Float64Array; limit: number } {
  if (kept >= values.length) return { values, limit: 0 };
  if (kept <= 0) return { values, limit: Number.POSITIVE_INFINITY };
  const { threshold, above, equal } = kthMagnitude(values, kept);
  let room = kept - above;
  if (room === equal || threshold === 0) return { values, limit: threshold };
  const copy = values.map((value) => (Math.abs(value) === threshold && room-- <= 0 ? 0 : value));
  return { values: copy, limit: threshold };
}

/** Values under the mask, each times `factor`; zeros elsewhere. */
export function keepMasked(values: Float64Array, mask: Uint8Array, factor: number): Float64Array {
  return values.map((value, i) => (mask[i] === 1 ? value * factor : 0));
}
