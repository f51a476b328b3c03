// The learning rate of each step: a linear warm-up, then a constant or a half cosine down to zero.

export interface Schedule {
  /** Highest rate. */
  rate: number;
  /** Steps in all. */
  steps: number;
  /** Steps until the highest rate is reached. */
  warmup: number;
  /** Default: cosine (Loshchilov & Hutter 2017, eq. 5, one cycle to zero). */
  shape?: "cosine" | "constant";
}

/** The rate of step `step`, counted from 0. The first step of a warm-up of n has 1/n of the highest. */
export function learningRate(step: number, { rate, steps, warmup, shape = "cosine" }: Schedule): number {
  if (step < warmup) return (rate * (step + 1)) / warmup;
  if (shape === "constant") return rate;
  const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  return (rate * (1 + Math.cos(Math.PI * done))) / 2;
}
