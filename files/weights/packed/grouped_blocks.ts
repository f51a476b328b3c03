// Which stored type holds a matrix of GPTQ or AWQ, and its rows as blocks of that type.

import { encodeFloat16 } from "../stored/float16.ts";
import type { StoredType } from "../stored/formats.ts";

/** One output: value of input k = scales[g] · (codes[k] − zeros[g]), g = groupOf[k]. */
export interface GroupedRow {
  readonly codes: Uint8Array;
  readonly groupOf: Uint32Array;
  readonly scales: Float32Array;
  readonly zeros: Int16Array;
}

export interface GroupedFacts {
  bits: 4 | 8;
  /** Inputs of a group; undefined where they do not lie side by side (act-order). */
  groupSize: number | undefined;
  /** Whether scales are stored in half precision, which blocks have. */
  halfScales: boolean;
  /** Whether every zero is half of the codes' range. */
  symmetric: boolean;
}

export interface GroupedBlocks {
  type: StoredType;
  write(row: GroupedRow, out: Uint8Array): void;
}

/**
 * Exact but where groups do not lie side by side, or codes of 8 bits have zeros of their own: those values are rounded to
 * half precision, in which the methods' own kernels compute them, or are float32 where scales are not of half precision.
 */
export function blocksOf({ bits, groupSize, halfScales, symmetric }: GroupedFacts): GroupedBlocks {
  const even = groupSize !== undefined && groupSize % 32 === 0;
  if (!halfScales) return { type: "f32", write: writeFloats };
  if (even && symmetric) return bits === 4 ? { type: "q4_0", write: writeQ4 } : { type: "q8_0", write: writeQ8 };
  if (!even || bits === 8) return { type: "f16", write: writeHalves };
  return groupSize % 128 === 0
    ? { type: "u4x128", write: (row, out) => writeU4(row, out, 128) }
    : { type: "u4x32", write: (row, out) => writeU4(row, out, 32) };
}

function writeFloats({ codes, groupOf, scales, zeros }: GroupedRow, out: Uint8Array): void {
  const view = new DataView(out.buffer, out.byteOffset);
  for (let k = 0; k < codes.length; k++) {
    view.setFloat32(4 * k, scales[groupOf[k]] * (codes[k] - zeros[groupOf[k]]), true);
  }
}

function writeHalves({ codes, groupOf, scales, zeros }: GroupedRow, out: Uint8Array): void {
  for (let k = 0; k < codes.length; k++) storeHalf(out, 2 * k, scales[groupOf[k]] * (codes[k] - zeros[groupOf[k]]));
}

/** d·(q − 8), as GGUF's Q4_0. */
function writeQ4({ codes, groupOf, scales }: GroupedRow, out: Uint8Array): void {
  for (let k = 0, at = 0; k < codes.length; k += 32, at += 18) {
    storeHalf(out, at, scales[groupOf[k]]);
    for (let i = 0; i < 16; i++) out[at + 2 + i] = codes[k + i] | (codes[k + 16 + i] << 4);
  }
}

/** d·(q − 128), as GGUF's Q8_0. */
function writeQ8({ codes, groupOf, scales }: GroupedRow, out: Uint8Array): void {
  for (let k = 0, at = 0; k < codes.length; k += 32, at += 34) {
    storeHalf(out, at, scales[groupOf[k]]);
    for (let i = 0; i < 32; i++) out[at + 2 + i] = codes[k + i] - 128;
  }
}

function writeU4({ codes, groupOf, scales, zeros }: GroupedRow, out: Uint8Array, elements: 32 | 128): void {
  for (let k = 0, at = 0; k < codes.length; k += elements, at += 3 + elements / 2) {
    storeHalf(out, at, scales[groupOf[k]]);
    out[at + 2] = zeros[groupOf[k]];
    for (let i = 0; i < elements; i += 2) out[at + 3 + i / 2] = codes[k + i] | (codes[k + i + 1] << 4);
  }
}

function storeHalf(out: Uint8Array, at: number, value: number): void {
  const half = encodeFloat16(value);
  out[at] = half & 0xff;
  out[at + 1] = half >> 8;
}
