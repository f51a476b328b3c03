// The k-th largest magnitude of a long list, by the float64 kernels: counted in bins, then looked for in one of them.

import { FIRST_BYTE, type Float64Kernels, withKernels } from "./float64.ts";

/** Bins of float64.cpu.ts: magnitudes that share their exponent and four bits of the mantissa. */
const BINS = 32768;
/** Numbers that are copied to the kernels at a time: they stay in a core's cache. */
const BAND = 2 ** 15;
const COUNTS = FIRST_BYTE;
const INPUT = COUNTS + 4 * BINS;
const FOUND = INPUT + 8 * BAND;

/** `above` are larger, `equal` as large. k from 1. */
export function kthMagnitude(values: Float64Array, k: number): { threshold: number; above: number; equal: number } {
  return withKernels(FOUND + 8 * BAND, (kernels) => {
    const counts = new Uint32Array(kernels.memory.buffer, COUNTS, BINS).fill(0);
    inBands(kernels, values, (count) => kernels.count_magnitudes(INPUT, count, COUNTS));
    let bin = BINS - 1;
    let above = 0;
    for (; above + counts[bin] < k; bin--) above += counts[bin];
    const inside = new Float64Array(counts[bin]);
    let size = 0;
    inBands(kernels, values, (count) => {
      const found = kernels.magnitudes_of(INPUT, count, bin, FOUND);
      inside.set(new Float64Array(kernels.memory.buffer, FOUND, found), size);
      size += found;
    });
    const threshold = kthLargest(inside, k - above);
    let equal = 0;
    for (const value of inside) {
      if (value > threshold) above++;
      else if (value === threshold) equal++;
    }
    return { threshold, above, equal };
  });
}

function inBands(kernels: Float64Kernels, values: Float64Array, take: (count: number) => void): void {
  const input = new Float64Array(kernels.memory.buffer, INPUT, BAND);
  for (let first = 0; first < values.length; first += BAND) {
    const band = values.subarray(first, first + BAND);
    input.set(band);
    take(band.length);
  }
}

/** The k-th largest, k from 1. Reorders `values`. Source: Hoare 1961. */
function kthLargest(values: Float64Array, k: number): number {
  let [first, last] = [0, values.length - 1];
  const target = k - 1;
  while (first < last) {
    const pivot = values[(first + last) >> 1];
    let [i, j] = [first, last];
    while (i <= j) {
      while (values[i] > pivot) i++;
      while (values[j] < pivot) j--;
      if (i > j) break;
      const value = values[i];
      values[i++] = values[j];
      values[j--] = value;
    }
    if (target <= j) last = j;
    else if (target >= i) first = i;
    else break;
  }
  return values[target];
}
