// Stored rows to the panels that CPU kernels read: 8 rows side by side, so that a vector's lanes are rows. The layouts are
// those of shaders/formats/*.cpu.ts. It is linear_repack.ts's counterpart, and takes what that takes.

import type { DeviceFormat } from "../../../shaders/linear.ts";
import { STORED, type StoredType } from "../tensor.ts";
import { dequantizeRows } from "./dequantize.ts";
import { encodeFloat16, float16Table } from "./float16.ts";
import { BEYOND_HALF } from "./linear_repack.ts";
import { quantizeQ8_0 } from "./quantize.ts";

/** Rows of a panel. The last panel of a matrix is padded with zeros. */
export const PANEL_ROWS = 8;

/** Bytes of a panel of `cols` columns; `cols` a multiple of the format's FORMAT_COLUMNS. */
export const PANEL_BYTES: Record<DeviceFormat, (cols: number) => number> = {
  f32: (cols) => cols * 32,
  f16: (cols) => cols * 16,
  q8_0: (cols) => (cols / 32) * 272,
  q4: (cols) => (cols / 32) * 160,
};

/**
 * Whole rows of `type` as panels of `format`, the last filled up with zeros. q8_0 rounds dense weights as llama.cpp does.
 * q4 takes q4_0 and q4_1 alone.
 */
export function packPanels(
  type: StoredType,
  bytes: Uint8Array,
  format: DeviceFormat,
  cols: number,
): Uint8Array<ArrayBuffer> | typeof BEYOND_HALF {
  switch (format) {
    case "f32":
      return panelsOfWords(floatsOf(type, bytes), cols);
    case "f16":
      return panelsOfHalves(type, bytes, cols);
    case "q8_0":
      return panelsOfQ8(type === "q8_0" ? bytes : quantizeQ8_0(floatsOf(type, bytes)), cols);
    case "q4":
      return panelsOfQ4(type === "q4_1" ? "q4_1" : "q4_0", bytes, cols);
  }
}

function panelCount(rows: number): number {
  return Math.ceil(rows / PANEL_ROWS);
}

function floatsOf(type: StoredType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const { bytes: size, elements } = STORED[type];
  const out = new Float32Array((bytes.length / size) * elements);
  dequantizeRows(type, bytes, out);
  return out;
}

/** [rows][cols] to [panels][cols][8]; `out` is as long as that, and zero. */
function interleave<Words extends Float32Array | Uint16Array>(values: Words, cols: number, out: Words): void {
  const rows = values.length / cols;
  const whole = rows - (rows % PANEL_ROWS);
  let to = 0;
  for (let row = 0; row < whole; row += PANEL_ROWS) {
    const end = (row + 1) * cols;
    for (let k = row * cols; k < end; k++, to += PANEL_ROWS) {
      // Written out, which is twice as fast as a loop.
      out[to] = values[k];
      out[to + 1] = values[k + cols];
      out[to + 2] = values[k + 2 * cols];
      out[to + 3] = values[k + 3 * cols];
      out[to + 4] = values[k + 4 * cols];
      out[to + 5] = values[k + 5 * cols];
      out[to + 6] = values[k + 6 * cols];
      out[to + 7] = values[k + 7 * cols];
    }
  }
  for (let row = whole; row < rows; row++) {
    for (let k = 0, from = row * cols; k < cols; k++) out[to + k * PANEL_ROWS + row - whole] = values[from + k];
  }
}

function panelsOfWords(values: Float32Array, cols: number): Uint8Array<ArrayBuffer> {
  const out = new Float32Array(panelCount(values.length / cols) * cols * PANEL_ROWS);
  interleave(values, cols, out);
  return new Uint8Array(out.buffer);
}

function panelsOfHalves(
  type: StoredType,
  bytes: Uint8Array,
  cols: number,
): Uint8Array<ArrayBuffer> | typeof BEYOND_HALF {
  const halves = type === "f16" ? halfWords(bytes) : encodeHalves(floatsOf(type, bytes));
  if (halves === BEYOND_HALF) return BEYOND_HALF;
  const out = new Uint16Array(panelCount(halves.length / cols) * cols * PANEL_ROWS);
  interleave(halves, cols, out);
  return new Uint8Array(out.buffer);
}

function encodeHalves(values: Float32Array): Uint16Array | typeof BEYOND_HALF {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const half = encodeFloat16(values[i]);
    if ((half & 0x7c00) === 0x7c00) return BEYOND_HALF;
    out[i] = half;
  }
  return out;
}

/** The bytes as words of 16 bits, copied where they begin at an odd address. */
function halfWords(bytes: Uint8Array): Uint16Array {
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(even.buffer, even.byteOffset, even.length / 2);
}

/** Blocks of (half d, 32 int8) to blocks of 8 rows: 8 halves d, then words [8][8 rows] of int8. */
function panelsOfQ8(bytes: Uint8Array, cols: number): Uint8Array<ArrayBuffer> {
  const words = halfWords(bytes);
  const size = STORED.q8_0.bytes / 2;
  const blocks = cols / 32;
  const rows = words.length / (blocks * size);
  const block = PANEL_BYTES.q8_0(32) / 2;
  const out = new Uint16Array(panelCount(rows) * blocks * block);
  let from = 0;
  for (let row = 0; row < rows; row++) {
    const lane = row & 7;
    let to = (row >> 3) * blocks * block;
    for (let b = 0; b < blocks; b++, from += size, to += block) {
      out[to + lane] = words[from];
      for (let j = 0; j < 8; j++) {
        const at = to + 8 + 16 * j + 2 * lane;
        out[at] = words[from + 1 + 2 * j];
        out[at + 1] = words[from + 2 + 2 * j];
      }
    }
  }
  return new Uint8Array(out.buffer);
}

/**
 * Blocks of (half d[, half m], 16 bytes of nibbles) to blocks of 8 rows: 8 halves d, 8 halves m, then words [4][8 rows] of
 * nibbles. q4_0 is d·(q − 8), so m = −8·d.
 */
function panelsOfQ4(
  type: "q4_0" | "q4_1",
  bytes: Uint8Array,
  cols: number,
): Uint8Array<ArrayBuffer> | typeof BEYOND_HALF {
  const half = float16Table();
  const words = halfWords(bytes);
  const size = STORED[type].bytes / 2;
  const blocks = cols / 32;
  const rows = words.length / (blocks * size);
  const block = PANEL_BYTES.q4(32) / 2;
  const out = new Uint16Array(panelCount(rows) * blocks * block);
  let from = 0;
  for (let row = 0; row < rows; row++) {
    const lane = row & 7;
    let to = (row >> 3) * blocks * block;
    for (let b = 0; b < blocks; b++, from += size, to += block) {
      const m = type === "q4_1" ? words[from + 1] : encodeFloat16(-8 * half[words[from]]);
      if ((m & 0x7c00) === 0x7c00) return BEYOND_HALF;
      out[to + lane] = words[from];
      out[to + 8 + lane] = m;
      const nibbles = from + size - 8;
      for (let j = 0; j < 4; j++) {
        const at = to + 16 + 16 * j + 2 * lane;
        out[at] = words[nibbles + 2 * j];
        out[at + 1] = words[nibbles + 2 * j + 1];
      }
    }
  }
  return new Uint8Array(out.buffer);
}
