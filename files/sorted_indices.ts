// A stable sort in steps, for lists that would hold the event loop.

/** Comparisons between two steps. */
const STEP = 1 << 13;

/** 0 … count − 1 in order: by `compare`, and by number where it gives 0. */
export function* sortedIndices(
  count: number,
  compare: (a: number, b: number) => number,
): Generator<undefined, Uint32Array> {
  let from = Uint32Array.from({ length: count }, (_, i) => i);
  let to = new Uint32Array(count);
  let work = 0;
  for (let width = 1; width < count; width *= 2) {
    for (let start = 0; start < count; start += 2 * width) {
      const middle = Math.min(count, start + width);
      const end = Math.min(count, start + 2 * width);
      let [left, right] = [start, middle];
      for (let at = start; at < end; at++) {
        const takesRight = left === middle || (right < end && compare(from[left], from[right]) > 0);
        to[at] = from[takesRight ? right++ : left++];
        if (++work % STEP === 0) yield;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
