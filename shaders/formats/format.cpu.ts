// Which weight formats there are, and what each of them does where a kernel asks. A new format: its file, and a case here.
// Weights lie in panels of 8 rows (the last padded with zeros), written by files/weights/stored/pack_panels.ts.
import { GROUPS_BLOCK, oneGroups } from "../cpu/tile_groups.cpu";
import { oneFives } from "../cpu/tile_fives.cpu";
import { INTEGER_BLOCK, tileIntegers } from "../cpu/tile_integers.cpu";
import { F16_COLUMN, floatsF16, oneF16, rowF16 } from "./f16.cpu";
import { F32_COLUMN, rowF32 } from "./f32.cpu";
import { floatsQ4, oneQ4, Q4_BLOCK, rowQ4, unpackQ4 } from "./q4.cpu";
import { floatsQ5, oneQ5, Q5_BLOCK, rowQ5, unpackQ5 } from "./q5.cpu";
import { floatsQ4K, oneQ4K, Q4K_BLOCK, rowQ4K, unpackQ4K } from "./q4_k.cpu";
import { floatsQ6K, oneQ6K, Q6K_BLOCK, rowQ6K, unpackQ6K } from "./q6_k.cpu";
import { floatsQ8, oneQ8, Q8_BLOCK, rowQ8 } from "./q8_0.cpu";

/** Values of a kernel's FORMAT. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const Q8_0: i32 = 2;
export const Q4: i32 = 3;
export const Q4_K: i32 = 4;
export const Q6_K: i32 = 5;
export const Q5: i32 = 6;

/** Bytes of `columns` columns of a panel; whole blocks. */
export function columnBytes(format: i32, columns: i32): usize {
  if (format == Q4) return <usize>((columns >> 5) * Q4_BLOCK);
  if (format == Q8_0) return <usize>((columns >> 5) * Q8_BLOCK);
  if (format == Q5) return <usize>((columns >> 5) * Q5_BLOCK);
  if (format == Q4_K) return <usize>((columns >> 7) * Q4K_BLOCK);
  if (format == Q6_K) return <usize>((columns >> 7) * Q6K_BLOCK);
  return <usize>(columns * (format == F16 ? F16_COLUMN : F32_COLUMN));
}

/**
 * Columns [first, first + columns) of the panel that begins at `w` as floats [columns][8 rows]: at `panel`, or where they are.
 * Gives where. Both a multiple of 32 for quantised formats.
 */
export function floats(format: i32, w: usize, first: i32, columns: i32, panel: usize): usize {
  if (format == Q4_K) floatsQ4K(w, first, columns, panel);
  else if (format == Q6_K) floatsQ6K(w, first, columns, panel);
  else return floatsOfBlocks(format, w + columnBytes(format, first), columns, panel);
  return panel;
}

/** The same for formats of blocks of at most 32 columns, from the first block on. */
function floatsOfBlocks(format: i32, w: usize, columns: i32, panel: usize): usize {
  if (format == F32) return w;
  if (format == F16) floatsF16(w, columns, panel);
  else if (format == Q8_0) floatsQ8(w, columns, panel);
  else if (format == Q5) floatsQ5(w, columns, panel);
  else floatsQ4(w, columns, panel);
  return panel;
}

/** Whether a quantised format gains by being unpacked for many tokens; else they are met one by one. */
@inline
export function unpacks(format: i32): bool {
  return format != Q8_0;
}

/** Most bytes of an unpacked block of 32 columns. */
export const UNPACKED_BLOCK: i32 = GROUPS_BLOCK;

/** Blocks of a panel, whole ones of the format, as `tile` reads them. */
export function unpack(format: i32, w: usize, blocks: i32, panel: usize): void {
  if (format == Q4) unpackQ4(w, blocks, panel);
  else if (format == Q4_K) unpackQ4K(w, blocks, panel);
  else if (format == Q5) unpackQ5(w, blocks, panel);
  else unpackQ6K(w, blocks, panel);
}

/** Four tokens' int8 activations against unpacked blocks; arguments: tileIntegers. */
export function tile(
  format: i32, panel: usize, blocks: i32, x0: usize, x1: usize, x2: usize, x3: usize,
  s0: usize, s1: usize, s2: usize, s3: usize, y0: usize, y1: usize, y2: usize, y3: usize, rows: i32, begin: bool, sums: usize,
): void {
  if (format == Q5) {
    oneFives(panel, blocks, x0, s0, y0, rows, begin);
    oneFives(panel, blocks, x1, s1, y1, rows, begin);
    oneFives(panel, blocks, x2, s2, y2, rows, begin);
    // Past the end, the last token comes once more: its sums must not run on twice.
    if (y3 != y2) oneFives(panel, blocks, x3, s3, y3, rows, begin);
    return;
  }
  if (format != Q6_K) {
    tileIntegers(panel, blocks, x0, x1, x2, x3, s0, s1, s2, s3, y0, y1, y2, y3, rows, begin, sums);
    return;
  }
  oneGroups(panel, blocks, x0, s0, y0, rows, begin);
  oneGroups(panel, blocks, x1, s1, y1, rows, begin);
  oneGroups(panel, blocks, x2, s2, y2, rows, begin);
  if (y3 != y2) oneGroups(panel, blocks, x3, s3, y3, rows, begin);
}

/** One token's int8 activations against a panel: 8 sums at `out`. */
export function one(format: i32, w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  if (format == Q4) oneQ4(w, blocks, x, xs, out);
  else if (format == Q4_K) oneQ4K(w, blocks, x, xs, out);
  else if (format == Q6_K) oneQ6K(w, blocks, x, xs, out);
  else if (format == Q5) oneQ5(w, blocks, x, xs, out);
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
  else if (format == Q4_K) rowQ4K(w, lane, columns, out);
  else if (format == Q6_K) rowQ6K(w, lane, columns, out);
  else if (format == Q5) rowQ5(w, lane, columns, out);
  else if (format == F16) rowF16(w, lane, columns, out);
  else rowF32(w, lane, columns, out);
}
