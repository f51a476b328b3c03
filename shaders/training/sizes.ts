// Sizes that a kernel reads from a small uniform where there are many of them: one pipeline for every rank and module.
// As constants they would unroll the short loops of a LoRA, and compile anew for each.

import type { Constants, Kernel } from "../kernel.ts";

/** A kernel with a uniform `sizes`: on a GPU its words in this order, on the CPU fields of the arguments by these names. */
export interface SizedKernel<Facts> extends Kernel<Facts> {
  sizes(facts: Facts): Readonly<Record<string, number>>;
}

/** Bytes of a `sizes` uniform: eight words, of which a kernel uses the first ones. */
export const SIZES_BYTES = 32;

/** The sizes in vec4s. @throws RangeError for one that is no multiple of 4 */
export function inVec4s<const S extends Constants & Record<string, number>>(
  kernel: string,
  sizes: S,
): Record<keyof S, number> {
  const entries = Object.entries(sizes);
  const odd = entries.find(([, size]) => size % 4 !== 0);
  if (odd !== undefined) throw new RangeError(`${kernel}: ${odd[0]} of ${odd[1]} values is no multiple of 4`);
  return Object.fromEntries(entries.map(([name, size]) => [name, size / 4])) as Record<keyof S, number>;
}
