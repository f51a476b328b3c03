// Where floats stand among stored bytes: reading halves, finding those that are no numbers, walking blocks.

import { float16Table } from "./float16.ts";
import type { StoredFormat } from "./format.ts";

type BlockSize = Pick<StoredFormat, "bytes" | "elements">;

/** Exponent bits in the upper 16 bits of a float: all ones in a NaN and in an infinity. */
export const EXPONENT = { half: 0x7c00, single: 0x7f80 } as const;

/** The half at byte `at`. */
export function halfAt(bytes: Uint8Array, at: number): number {
  return float16Table()[bytes[at] | (bytes[at + 1] << 8)];
}

/**
 * `findUnfit` for blocks whose floats lie at `places`: byte offsets of each float's upper 16 bits, in which `exponent`
 * are the bits that are all ones where it is no number.
 */
export function findIn({ bytes: size, elements }: BlockSize, places: readonly number[], exponent: number) {
  return (bytes: Uint8Array): number => {
    for (const place of places) {
      for (let i = place; i < bytes.length; i += size) {
        if (((bytes[i] | (bytes[i + 1] << 8)) & exponent) === exponent) return ((i - place) / size) * elements;
      }
    }
    return -1;
  };
}

/** `decode` from a function that decodes the block at byte `at` to the elements from `to` on. */
export function eachBlock(
  { bytes: size, elements }: BlockSize,
  decode: (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void,
) {
  return (bytes: Uint8Array, out: Float32Array): void => {
    for (let at = 0, to = 0; at < bytes.length; at += size, to += elements) decode(bytes, at, out, to);
  };
}
