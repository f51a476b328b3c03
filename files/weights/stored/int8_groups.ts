// Formats in which 32 neighbours are signed bytes times one scale. The device's q8_0, whose scales are float32, holds
// every one of them without loss.

import type { Planes, StoredFormat } from "./format.ts";

/** Writes the quants of 32-element group `group` of the block at byte `at` to `to` and those behind; gives their scale. */
export type ReadGroup = (bytes: Uint8Array, at: number, group: number, quants: Int8Array, to: number) => number;

const GROUP = 32;

/** What such a format says of its elements: value = scale · quant, rounded to float32. */
export function int8Groups(
  { bytes: size, elements }: Pick<StoredFormat, "bytes" | "elements">,
  read: ReadGroup,
): Required<Pick<StoredFormat, "decode" | "held" | "repack">> {
  const groups = elements / GROUP;

  function decode(bytes: Uint8Array, out: Float32Array): void {
    const quants = new Int8Array(GROUP);
    for (let at = 0, to = 0; at < bytes.length; at += size) {
      for (let group = 0; group < groups; group++, to += GROUP) {
        const scale = read(bytes, at, group, quants, 0);
        for (let i = 0; i < GROUP; i++) out[to + i] = scale * quants[i];
      }
    }
  }

  function repack(bytes: Uint8Array): Planes {
    const scales = new Float32Array((bytes.length / size) * groups);
    const quants = new Int8Array(scales.length * GROUP);
    for (let at = 0, n = 0; at < bytes.length; at += size) {
      for (let group = 0; group < groups; group++, n++) scales[n] = read(bytes, at, group, quants, n * GROUP);
    }
    return { quants, scales };
  }

  return { decode, held: "q8_0", repack };
}
