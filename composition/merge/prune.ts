// Sparsifying a list of values: the largest kept, or some kept by chance.

/** How many of `count` values a density keeps: the floor, as in PEFT and mergekit. */
export function keptCount(density: number, count: number): number {
  return Math.floor(density * count);
}

/** The `kept` values of largest magnitude, zeros in place of the others. Of equal ones the first are kept. */
export function keepLargest(values: Float64Array, kept: number): Float64Array {
  if (kept >= values.length) return values.slice();
  if (kept <= 0) return new Float64Array(values.length);
  const threshold = kthLargest(values.map(Math.abs), kept);
  let room = kept;
  for (const value of values) if (Math.abs(value) > threshold) room--;
  return values.map((value) => {
    const magnitude = Math.abs(value);
    if (magnitude > threshold) return value;
    return magnitude === threshold && room-- > 0 ? value : 0;
  });
}

/** Values under the mask, each times `factor`; zeros elsewhere. */
export function keepMasked(values: Float64Array, mask: Uint8Array, factor: number): Float64Array {
  return values.map((value, i) => (mask[i] === 1 ? value * factor : 0));
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
