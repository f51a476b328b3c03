// S-LoRA's synthetic load (Sheng et al. 2023, section 7.1): adapters by a power law, arrivals by a Gamma process, lengths
// uniform in a range. The same seed gives the same requests at the same times.

import { Random } from "./random.ts";

export interface Workload {
  /** How many adapters are asked for. */
  adapters: number;
  /** Adapter i (from 0) is asked for in proportion to (i + 1)^-alpha; 0: all alike. */
  alpha: number;
  /** Requests a second. */
  rate: number;
  /** Coefficient of variation of the time between arrivals: 1 is a Poisson process, more comes in bursts. */
  cv: number;
  seconds: number;
  /** Tokens of a prompt and of an answer, at least and at most. */
  prompt: readonly [number, number];
  output: readonly [number, number];
  seed: number;
}

export interface Arrival {
  /** Seconds from the beginning. */
  at: number;
  /** By popularity, the most popular first. */
  adapter: number;
  promptTokens: number;
  outputTokens: number;
}

/** Requests in the order of their arrival. */
export function arrivalsOf(workload: Workload): Arrival[] {
  const { rate, cv, seconds, seed } = workload;
  const random = new Random(seed);
  const shape = 1 / cv ** 2;
  const draw = drawer(workload, random);
  const arrivals: Arrival[] = [];
  for (let at = random.gamma(shape, 1 / (rate * shape)); at < seconds; at += random.gamma(shape, 1 / (rate * shape))) {
    arrivals.push({ at, ...draw() });
  }
  return arrivals;
}

/** So many requests of the same kind, without times: for clients that each ask again once they are answered. */
export function requestsOf(workload: Omit<Workload, "rate" | "cv" | "seconds">, count: number): Arrival[] {
  const draw = drawer(workload, new Random(workload.seed));
  return Array.from({ length: count }, () => ({ at: 0, ...draw() }));
}

function drawer(
  { adapters, alpha, prompt, output }: Pick<Workload, "adapters" | "alpha" | "prompt" | "output">,
  random: Random,
): () => Omit<Arrival, "at"> {
  const upTo = cumulative(adapters, alpha);
  return () => ({
    adapter: firstAbove(upTo, random.uniform()),
    promptTokens: random.integer(prompt),
    outputTokens: random.integer(output),
  });
}

/** Element i: the share of requests for adapters 0 … i. */
export function cumulative(adapters: number, alpha: number): Float64Array {
  const upTo = Float64Array.from({ length: adapters }, (_, i) => (i + 1) ** -alpha);
  for (let i = 1; i < adapters; i++) upTo[i] += upTo[i - 1];
  return upTo.map((share) => share / upTo[adapters - 1]);
}

function firstAbove(upTo: Float64Array, value: number): number {
  let [low, high] = [0, upTo.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (upTo[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
