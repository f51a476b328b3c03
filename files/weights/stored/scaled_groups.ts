// Formats whose scales and minima are small whole numbers, a group of neighbours each, times a half of their own:
// value = (d·scale)·code + e·minimum. The device's q4_k and q6_k hold every one of them without loss.

import { encodeFloat16 } from "./float16.ts";
import { EXPONENT } from "./floats_in_blocks.ts";
import { BEYOND_HALF, type Planes, type StoredFormat } from "./format.ts";

/** What a block of such a format says, groups and codes in the order of its elements. */
export interface ScaledBlock {
  d: number;
  e: number;
  /** One a group. */
  readonly scales: Int8Array;
  readonly minima: Int8Array;
  /** One an element. */
  readonly codes: Uint8Array;
}

/** Reads the block at byte `at`; of a format with a zero code d, scales and codes. d and e are halves. */
export type ReadScaledBlock = (bytes: Uint8Array, at: number, block: ScaledBlock) => void;

/** Elements that share d and e on the device. */
const SHARED = 128;

/** Elements of a group, and words of their codes there. */
const HELD = {
  q4_k: { group: 32, words: 4, pack: packNibbles },
  q6_k: { group: 16, words: 3, pack: packSixes },
} as const;

/** A format's groups have as many elements as those of the device format, or twice as many. */
interface ScaledShape {
  held: keyof typeof HELD;
  group: 16 | 32;
  /** The code that stands for 0, a power of two, where groups have no minima: value = (d·scale)·(code − zero). */
  zero?: number;
}

/** What such a format says of its elements. */
export function scaledGroups(
  { bytes: size, elements }: Pick<StoredFormat, "bytes" | "elements">,
  { held, group, zero }: ScaledShape,
  read: ReadScaledBlock,
): Required<Pick<StoredFormat, "decode" | "held" | "repack">> {
  const groups = elements / group;
  const newBlock = (): ScaledBlock => ({
    d: 0,
    e: 0,
    scales: new Int8Array(groups),
    minima: new Int8Array(groups),
    codes: new Uint8Array(elements),
  });

  function decode(bytes: Uint8Array, out: Float32Array): void {
    const block = newBlock();
    for (let at = 0, to = 0; at < bytes.length; at += size) {
      read(bytes, at, block);
      for (let g = 0, i = 0; g < groups; g++) {
        // Exact in a double, so that the only rounding is to float32.
        const scale = block.d * block.scales[g];
        const minimum = block.e * block.minima[g];
        for (const end = i + group; i < end; i++, to++) {
          out[to] = zero === undefined ? scale * block.codes[i] + minimum : scale * (block.codes[i] - zero);
        }
      }
    }
  }

  function repack(bytes: Uint8Array): Planes | typeof BEYOND_HALF {
    const { group: heldGroup, words, pack } = HELD[held];
    const count = (bytes.length / size) * elements;
    const quants = new Uint32Array((count / heldGroup) * words);
    const shared = SHARED / heldGroup;
    const scales = new Uint16Array((count / SHARED) * (2 + shared));
    const block = newBlock();
    for (let at = 0, to = 0, s = 0; at < bytes.length; at += size) {
      read(bytes, at, block);
      const d = encodeFloat16(block.d);
      const e = encodeFloat16(zero === undefined ? block.e : -zero * block.d);
      if ((e & EXPONENT.half) === EXPONENT.half) return BEYOND_HALF;
      for (let i = 0; i < elements; i += heldGroup, to += words) {
        if (i % SHARED === 0) {
          scales[s++] = d;
          scales[s++] = e;
        }
        const g = Math.floor(i / group);
        scales[s++] = (block.scales[g] & 0xff) | ((zero === undefined ? block.minima : block.scales)[g] << 8);
        pack(block.codes, i, quants, to);
      }
    }
    return { quants, scales };
  }

  return { decode, held, repack };
}

/** 32 codes: byte i of word j has code 4j + i in its low nibble, code 16 + 4j + i in the high one. */
function packNibbles(codes: Uint8Array, from: number, out: Uint32Array, to: number): void {
  for (let j = 0, at = from; j < 4; j++, at += 4) out[to + j] = word(codes, at) | (word(codes, at + 16) << 4);
}

/**
 * 16 codes in rows of four: nibbles of rows 0 and 2 in the first word, of 1 and 3 in the second; of the third, byte i has the
 * upper two bits of every row's code i, row 0 lowest.
 */
function packSixes(codes: Uint8Array, from: number, out: Uint32Array, to: number): void {
  const rows = [0, 4, 8, 12].map((row) => word(codes, from + row));
  const nibbles = 0x0f0f0f0f;
  out[to] = (rows[0] & nibbles) | ((rows[2] & nibbles) << 4);
  out[to + 1] = (rows[1] & nibbles) | ((rows[3] & nibbles) << 4);
  const upper = rows.map((row) => (row >>> 4) & 0x03030303);
  out[to + 2] = upper[0] | (upper[1] << 2) | (upper[2] << 4) | (upper[3] << 6);
}

function word(codes: Uint8Array, at: number): number {
  return codes[at] | (codes[at + 1] << 8) | (codes[at + 2] << 16) | (codes[at + 3] << 24);
}
