// Sizes that a kernel reads from a small uniform where there are many of them: one pipeline for every rank and module.
// As constants they would unroll the short loops of a LoRA, which a software adapter compiles for seconds each.
// It knows nothing of any kernel.

import type { Build } from "../compose.ts";

/** A kernel and the words of its uniform `sizes`, in the order of its struct. */
export interface SizedBuild extends Build {
  readonly sizes: readonly number[];
}

/** Bytes of a `sizes` uniform: eight words, of which a kernel uses the first ones. */
export const SIZES_BYTES = 32;

/** Refuses sizes that are no multiples of 4, and gives them in vec4s. */
export function inVec4s(kernel: string, ...values: number[]): number[] {
  if (values.some((value) => value % 4 !== 0)) throw new RangeError(`${kernel}: ${values} are no multiples of 4`);
  return values.map((value) => value / 4);
}
