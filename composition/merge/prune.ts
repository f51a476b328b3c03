// Sparsifying a list of values: the largest kept, or some kept by chance.

import type { CombinedTask, Lists } from "../kernels/combined.ts";

/** How many of `count` values a density keeps: the floor, as in PEFT and mergekit. */
export function keptCount(density: number, count: number): number {
  return Math.floor(density * count);
}

/** The magnitude from which on values are kept, so that these are the `kept` largest, of equal ones the first. */
export function largest(lists: Lists, task: number, kept: number): Pick<CombinedTask, "limit" | "edit"> {
  if (kept >= lists.length) return { limit: 0 };
  if (kept <= 0) return { limit: Number.POSITIVE_INFINITY };
  const { threshold, above, equal } = lists.kthMagnitude(task, kept);
  let room = kept - above;
  if (room === equal || threshold === 0) return { limit: threshold };
  const edit = (band: Float64Array) => {
    for (let i = 0; i < band.length; i++) if (Math.abs(band[i]) === threshold && room-- <= 0) band[i] = 0;
  };
  return { limit: threshold, edit };
}

/** Values under the mask times `factor`, zeros elsewhere. */
export function keepMasked(values: Float64Array, mask: Uint8Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i] = mask[i] === 1 ? values[i] * factor : 0;
}
