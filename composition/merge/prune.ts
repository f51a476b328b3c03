// Sparsifying a list of values: the largest kept, or some kept by chance.

/** How many of `count` values a density keeps: the floor, as in PEFT and mergekit. */
export function keptCount(density: number, count: number): number {
  return Math.floor(density * count);
}

/** The `kept` values of largest magnitude, zeros in place of the others. Of equal ones the first are kept. */
export function keepLargest(values: Float64Array, kept: number): Float64Array {
  if (kept >= values.length) return values.slice();
  const out = new Float64Array(values.length);
  if (kept <= 0) return out;
  const { threshold, above } = kthMagnitude(values, kept);
  let room = kept - above;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > threshold || (magnitude === threshold && room-- > 0)) out[i] = values[i];
  }
  return out;
}

/** Values under the mask, each times `factor`; zeros elsewhere. */
export function keepMasked(values: Float64Array, mask: Uint8Array, factor: number): Float64Array {
  return values.map((value, i) => (mask[i] === 1 ? value * factor : 0));
}

/** Magnitudes that share their exponent and four bits of the mantissa lie together. */
const BIN_BITS = 16;
const BINS = 2 ** (31 - BIN_BITS);

/** The k-th largest magnitude, k from 1, and how many are larger: counted in bins, then looked for in one of them. */
function kthMagnitude(values: Float64Array, k: number): { threshold: number; above: number } {
  const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  const counts = new Uint32Array(BINS);
  for (let i = HIGH_WORD; i < words.length; i += 2) counts[(words[i] & 0x7fffffff) >>> BIN_BITS]++;
  let bin = BINS - 1;
  let above = 0;
  for (; above + counts[bin] < k; bin--) above += counts[bin];
  const inside = new Float64Array(counts[bin]);
  for (let i = 0, n = 0; i < values.length; i++) {
    if ((words[2 * i + HIGH_WORD] & 0x7fffffff) >>> BIN_BITS === bin) inside[n++] = Math.abs(values[i]);
  }
  const threshold = kthLargest(inside, k - above);
  for (const value of inside) if (value > threshold) above++;
  return { threshold, above };
}

/** Which half of a float64 holds its exponent: 1 on a little-endian machine. */
const HIGH_WORD = new Uint32Array(new Float64Array([-0]).buffer)[1] === 0 ? 0 : 1;

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
