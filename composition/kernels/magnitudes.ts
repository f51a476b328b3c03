// The k-th largest of a list that may be reordered.

/** k from 1. Source: Hoare 1961. */
export function kthLargest(values: Float64Array, k: number): number {
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
