// The gradient of a float64 function by central differences, beside the one that a kernel computed.

import type { Compared } from "./case.ts";

/**
 * df/dx at about `samples` elements of x, spread evenly. Errors are measured by the largest difference found, at least 1e-3.
 */
export function compareGradient(
  gradient: ArrayLike<number>,
  f: (x: Float64Array) => number,
  x: ArrayLike<number>,
  { tolerance = 2e-5, samples = 120, h = 1e-5 } = {},
): Compared {
  // An odd stride meets every residue of the even sizes that rows have.
  const stride = Math.max(1, Math.floor(x.length / samples / 2) * 2 + 1);
  const at = Float64Array.from(x);
  const actual: number[] = [];
  const expected: number[] = [];
  for (let i = 0; i < at.length; i += stride) {
    const value = at[i];
    at[i] = value + h;
    const above = f(at);
    at[i] = value - h;
    expected.push((above - f(at)) / (2 * h));
    actual.push(gradient[i]);
    at[i] = value;
  }
  const largest = expected.reduce((most, difference) => Math.max(most, Math.abs(difference)), 1e-3);
  return { actual, expected, tolerance, scale: expected.map(() => largest) };
}

/** Σ left · right. */
export function inner(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += left[i] * right[i];
  return sum;
}
