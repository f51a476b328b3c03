// Which weight formats there are, and what each of them does where a kernel asks. A new format: its file, and a case here.
// Weights lie in panels of 8 rows (the last padded with zeros), written by files/weights/stored/pack_panels.ts.
import { F16_COLUMN, floatsF16, oneF16, rowF16 } from "./f16.cpu";
import { F32_COLUMN, rowF32 } from "./f32.cpu";
import { floatsQ4, oneQ4, Q4_BLOCK, rowQ4, unpackQ4 } from "./q4.cpu";
import { floatsQ8, oneQ8, Q8_BLOCK, rowQ8 } from "./q8_0.cpu";

/** Values of a kernel's FORMAT. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const Q8_0: i32 = 2;
export const Q4: i32 = 3;

/** Bytes of `columns` columns of a panel; whole blocks. */
export function columnBytes(format: i32, columns: i32): usize {
  if (format == Q4) return <usize>((columns >> 5) * Q4_BLOCK);
  if (format == Q8_0) return <usize>((columns >> 5) * Q8_BLOCK);
  return <usize>(columns * (format == F16 ? F16_COLUMN : F32_COLUMN));
}

/** Columns of a panel as floats [columns][8 rows]: at `panel`, or where they are. Gives where. */
export function floats(format: i32, w: usize, columns: i32, panel: usize): usize {
  if (format == F32) return w;
  if (format == F16) floatsF16(w, columns, panel);
  else if (format == Q8_0) floatsQ8(w, columns, panel);
  else floatsQ4(w, columns, panel);
  return panel;
}

/** Whether a quantised format gains by being unpacked for many tokens; else they are met one by one. */
@inline
export function unpacks(format: i32): bool {
  return format == Q4;
}

/** Blocks of a panel as cpu/tile_integers.cpu.ts reads them, for formats that unpack. */
export function unpack(format: i32, w: usize, blocks: i32, panel: usize): void {
  if (format == Q4) unpackQ4(w, blocks, panel);
}

/** One token's int8 activations against a panel: 8 sums at `out`. */
export function one(format: i32, w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  if (format == Q4) oneQ4(w, blocks, x, xs, out);
  else oneQ8(w, blocks, x, xs, out);
}

/** One token's floats against a panel, for formats that need no panel of floats for that: 8 sums at `out`. Says if so. */
export function oneStraight(format: i32, w: usize, columns: i32, x: usize, out: usize): bool {
  if (format != F16) return false;
  oneF16(w, columns, x, out);
  return true;
}

/** Row `row` of a matrix of `columns` columns as floats. */
export function readRow(format: i32, weights: usize, row: i32, columns: i32, out: usize): void {
  const w = weights + <usize>(row >> 3) * columnBytes(format, columns);
  const lane = <usize>(row & 7);
  if (format == Q4) rowQ4(w, lane, columns, out);
  else if (format == Q8_0) rowQ8(w, lane, columns, out);
  else if (format == F16) rowF16(w, lane, columns, out);
  else rowF32(w, lane, columns, out);
}
