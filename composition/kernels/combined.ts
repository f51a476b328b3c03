// Several long lists as one by the float64 kernels: pruned by a limit, signs elected, weighted, divided.

import { FIRST_BYTE, withKernels } from "./float64.ts";

/** One list, and what becomes of it: v = before · value where |value| ≥ limit, else 0. */
export interface CombinedTask {
  values: Float64Array;
  limit: number;
  before: number;
  /** Factor of v in the sum. */
  after: number;
  /** What v adds to the divisor. */
  share: number;
}

export interface Combining {
  /** Only v of the sign of Σ v, or of most v, count; a draw is positive. */
  elect: "none" | "total" | "frequency";
  /** By the shares of those that count; where these are nearly zero, nothing is divided. */
  divide: boolean;
  /** Of the result. */
  factor: number;
}

const ELECTIONS: readonly Combining["elect"][] = ["none", "total", "frequency"];
/** Bytes of a band of all lists: they stay in a core's cache. */
const BAND = 2 ** 18;
const FACTS = 32;

export function combined(tasks: readonly CombinedTask[], { elect, divide, factor }: Combining): Float64Array {
  const out = new Float64Array(tasks[0].values.length);
  // Two at a time: an odd end takes one along that is not read.
  const band = 2 * Math.max(1, Math.floor(BAND / (16 * (tasks.length + 1))));
  const [stride, first] = [8 * band, FIRST_BYTE + FACTS * tasks.length];
  const result = first + stride * tasks.length;
  withKernels(result + stride, (kernels) => {
    const facts = new Float64Array(kernels.memory.buffer, FIRST_BYTE, 4 * tasks.length);
    for (const [t, { limit, before, after, share }] of tasks.entries()) facts.set([limit, before, after, share], 4 * t);
    const floats = new Float64Array(kernels.memory.buffer);
    for (let at = 0; at < out.length; at += band) {
      const count = Math.min(band, out.length - at);
      for (const [t, { values }] of tasks.entries()) {
        floats.set(values.subarray(at, at + count), (first + t * stride) / 8);
      }
      const even = count + (count % 2);
      const election = ELECTIONS.indexOf(elect);
      kernels.combine(first, stride, tasks.length, even, FIRST_BYTE, election, divide ? 1 : 0, factor, result);
      out.set(floats.subarray(result / 8, result / 8 + count), at);
    }
  });
  return out;
}
