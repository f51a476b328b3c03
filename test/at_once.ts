// Work that its caller drives in slices, here in one.

/** Runs `work` to its end and gives what it returns. */
export function atOnce<T>(work: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
