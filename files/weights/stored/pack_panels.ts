// Planes of a device format, row by row, to the panels that CPU kernels read: 8 rows side by side, so that a vector's lanes
// are rows. The layouts are those of shaders/formats/*.cpu.ts.

import type { DeviceFormat } from "../../../shaders/formats/device_format.ts";
import { encodeFloat16 } from "./float16.ts";
import { EXPONENT } from "./floats_in_blocks.ts";
import { BEYOND_HALF, type Planes } from "./format.ts";
import { SCALED_BLOCK, scaledPanels } from "./scaled_panels.ts";
import { type WordArray, wordsOf } from "./words.ts";

/** Rows of a panel. The last panel of a matrix is padded with zeros. */
export const PANEL_ROWS = 8;

/** Bytes of a panel of `cols` columns; `cols` a multiple of the format's FORMAT_COLUMNS. */
export const PANEL_BYTES: Record<DeviceFormat, (cols: number) => number> = {
  f32: (cols) => cols * 32,
  f16: (cols) => cols * 16,
  q8_0: (cols) => (cols / 32) * 272,
  q4: (cols) => (cols / 32) * 160,
  q5: (cols) => (cols / 32) * 192,
  q4_k: (cols) => (cols / 128) * SCALED_BLOCK.q4_k.bytes,
  q6_k: (cols) => (cols / 128) * SCALED_BLOCK.q6_k.bytes,
};

/** Whole rows as panels, the last filled up with zeros. q8_0's scales are rounded to halves, which only IQ4_XS's feel. */
export function packPanels(
  { quants, scales }: Planes,
  format: DeviceFormat,
  cols: number,
): Uint8Array<ArrayBuffer> | typeof BEYOND_HALF {
  switch (format) {
    case "f32":
      return interleaved(wordsOf(quants, Uint32Array), cols, Uint32Array);
    case "f16":
      return interleaved(wordsOf(quants, Uint16Array), cols, Uint16Array);
    case "q8_0":
      return panelsOfQ8(wordsOf(quants, Uint32Array), wordsOf(scales!, Float32Array), cols);
    case "q4":
      return panelsOfQ4(wordsOf(quants, Uint32Array), wordsOf(scales!, Uint16Array), cols);
    case "q5":
      return panelsOfQ5(wordsOf(quants, Uint32Array), wordsOf(scales!, Uint32Array), cols);
    case "q4_k":
    case "q6_k":
      return scaledPanels(wordsOf(quants, Uint32Array), wordsOf(scales!, Uint16Array), format, cols);
  }
}

function panelCount(rows: number): number {
  return Math.ceil(rows / PANEL_ROWS);
}

/** [rows][cols] to [panels][cols][8]. */
function interleaved<W extends Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(
  values: W,
  cols: number,
  Type: WordArray<W>,
): Uint8Array<ArrayBuffer> {
  const rows = values.length / cols;
  const whole = rows - (rows % PANEL_ROWS);
  const out = new Type(panelCount(rows) * cols * PANEL_ROWS);
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
  return new Uint8Array(out.buffer);
}

/** int8 and f32 scales to blocks of 8 rows: 8 halves d, then words [8][8 rows] of int8. */
function panelsOfQ8(
  quants: Uint32Array,
  scales: Float32Array,
  cols: number,
): Uint8Array<ArrayBuffer> | typeof BEYOND_HALF {
  const blocks = cols / 32;
  const rows = scales.length / blocks;
  const block = PANEL_BYTES.q8_0(32) / 4;
  const out = new Uint32Array(panelCount(rows) * blocks * block);
  const halves = new Uint16Array(out.buffer);
  let from = 0;
  for (let row = 0; row < rows; row++) {
    const lane = row & 7;
    let to = (row >> 3) * blocks * block;
    for (let b = row * blocks; b < (row + 1) * blocks; b++, from += 8, to += block) {
      const half = encodeFloat16(scales[b]);
      if ((half & EXPONENT.half) === EXPONENT.half) return BEYOND_HALF;
      halves[2 * to + lane] = half;
      for (let j = 0; j < 8; j++) out[to + 4 + 8 * j + lane] = quants[from + j];
    }
  }
  return new Uint8Array(out.buffer);
}

/** Nibbles and halves (d, m) to blocks of 8 rows: 8 halves d, 8 halves m, then words [4][8 rows] of nibbles. */
function panelsOfQ4(quants: Uint32Array, scales: Uint16Array, cols: number): Uint8Array<ArrayBuffer> {
  const blocks = cols / 32;
  const rows = quants.length / (4 * blocks);
  const block = PANEL_BYTES.q4(32) / 4;
  const out = new Uint32Array(panelCount(rows) * blocks * block);
  const halves = new Uint16Array(out.buffer);
  let from = 0;
  for (let row = 0; row < rows; row++) {
    const lane = row & 7;
    let to = (row >> 3) * blocks * block;
    for (let b = row * blocks; b < (row + 1) * blocks; b++, from += 4, to += block) {
      halves[2 * to + lane] = scales[2 * b];
      halves[2 * to + 8 + lane] = scales[2 * b + 1];
      for (let j = 0; j < 4; j++) out[to + 8 + 8 * j + lane] = quants[from + j];
    }
  }
  return new Uint8Array(out.buffer);
}

/** Nibbles and pairs (d and m, fifth bits) to blocks of 8 rows: 8 halves d, 8 halves m, then words [4][8 rows] of nibbles, [8] of bits. */
function panelsOfQ5(quants: Uint32Array, scales: Uint32Array, cols: number): Uint8Array<ArrayBuffer> {
  const blocks = cols / 32;
  const rows = quants.length / (4 * blocks);
  const block = PANEL_BYTES.q5(32) / 4;
  const out = new Uint32Array(panelCount(rows) * blocks * block);
  const halves = new Uint16Array(out.buffer);
  let from = 0;
  for (let row = 0; row < rows; row++) {
    const lane = row & 7;
    let to = (row >> 3) * blocks * block;
    for (let b = row * blocks; b < (row + 1) * blocks; b++, from += 4, to += block) {
      halves[2 * to + lane] = scales[2 * b] & 0xffff;
      halves[2 * to + 8 + lane] = scales[2 * b] >>> 16;
      for (let j = 0; j < 4; j++) out[to + 8 + 8 * j + lane] = quants[from + j];
      out[to + 40 + lane] = scales[2 * b + 1];
    }
  }
  return new Uint8Array(out.buffer);
}
