// Semantics: y[t, FIRST_ROW + r] = Σ_k W[r, k] · x[t, k], for the T tokens (COUNT_ROWS: the R rows of logits) of the step;
// plus bias[FIRST_ROW + r], where bias is not null; times SCALE and capped softly at CAP, where SCALE is not 0.
// Shapes: W [ROWS, COLS] in panels of 8 rows (formats/format.cpu.ts); x [T, COLS] f32, or int8 blocks xq, xs where xq is not
// null (quantised formats only); y [T, ROWS_TOTAL], bias [ROWS_TOTAL] f32.
// Items: ceil(ROWS / 8), a panel each, against all tokens.
import { addBias, capRows } from "../cpu/linear_ending.cpu";
import { storeRows } from "../cpu/rows.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { oneFloats, tileFloats } from "../cpu/tile_floats.cpu";
import { columnBytes, floats, one, oneStraight, tile, UNPACKED_BLOCK, unpack, unpacks } from "../formats/format.cpu";
import { stepAt } from "../step.cpu";

@unmanaged
export class LinearArgs {
  step: usize;
  quants: usize;
  x: usize;
  xq: usize;
  xs: usize;
  y: usize;
  bias: usize;
  FORMAT: i32;
  ROWS: i32;
  FIRST_ROW: i32;
  ROWS_TOTAL: i32;
  COLS: i32;
  COUNT_ROWS: i32;
  SCALE: f32;
  CAP: f32;
}

/** Blocks and columns that are unpacked at a time: they should stay in the first cache while tokens pass by. */
const INTEGER_BLOCKS: i32 = 64;
const FLOAT_COLUMNS: i32 = 768;

export function linear(args: usize, first: i32, end: i32): void {
  const a = changetype<LinearArgs>(args);
  const tokens = a.COUNT_ROWS ? stepAt(a.step).rows : stepAt(a.step).tokens;
  for (let item = first; item < end; item++) {
    if (a.xq) integers(a, item, tokens);
    else reals(a, item, tokens);
    if (a.bias || a.SCALE != 0) endPanel(a, item, tokens);
  }
}

/** What becomes of the sums of one panel. */
function endPanel(a: LinearArgs, item: i32, tokens: i32): void {
  const row = a.FIRST_ROW + 8 * item, rows = min(8, a.ROWS - 8 * item);
  const y = a.y + (<usize>row << 2), stride = <usize>a.ROWS_TOTAL << 2;
  if (a.bias) addBias(y, stride, a.bias + (<usize>row << 2), rows, tokens);
  else capRows(y, stride, a.SCALE, a.CAP, rows, tokens);
}

function integers(a: LinearArgs, item: i32, tokens: i32): void {
  const format = a.FORMAT, blocks = a.COLS >> 5;
  const weights = a.quants + <usize>item * columnBytes(format, a.COLS);
  const rows = min(8, a.ROWS - 8 * item);
  const y = a.y + (<usize>(a.FIRST_ROW + 8 * item) << 2);
  const stride = <usize>a.ROWS_TOTAL << 2;
  // Fewer than three tokens are as fast one by one.
  const tiled = !unpacks(format) ? 0 : (tokens & 3) == 3 ? tokens : tokens & ~3;
  for (let b = 0; b < blocks && tiled > 0; b += INTEGER_BLOCKS) {
    const piece = min(INTEGER_BLOCKS, blocks - b);
    unpack(format, weights + columnBytes(format, b << 5), piece, scratch);
    for (let t = 0; t < tiled; t += 4) {
      // Past the end, the last token once more: it writes the same.
      const t1 = <usize>(t + 1), t2 = <usize>(t + 2), t3 = <usize>min(t + 3, tiled - 1);
      const s = a.xs + (<usize>b << 3), scales = <usize>blocks << 3;
      const s0 = s + <usize>t * scales, s1 = s + t1 * scales, s2 = s + t2 * scales, s3 = s + t3 * scales;
      const x = a.xq + (<usize>b << 5), width = <usize>a.COLS;
      const x0 = x + <usize>t * width, x1 = x + t1 * width, x2 = x + t2 * width, x3 = x + t3 * width;
      const y0 = y + <usize>t * stride, y1 = y + t1 * stride, y2 = y + t2 * stride, y3 = y + t3 * stride;
      const sums = scratch + INTEGER_BLOCKS * UNPACKED_BLOCK;
      tile(format, scratch, piece, x0, x1, x2, x3, s0, s1, s2, s3, y0, y1, y2, y3, rows, b == 0, sums);
    }
  }
  for (let t = tiled; t < tokens; t++) {
    one(format, weights, blocks, a.xq + <usize>t * a.COLS, a.xs + (<usize>t * blocks << 3), scratch);
    storeRows(y + <usize>t * stride, v128.load(scratch), v128.load(scratch, 16), rows);
  }
}

function reals(a: LinearArgs, item: i32, tokens: i32): void {
  const format = a.FORMAT, cols = a.COLS;
  const weights = a.quants + <usize>item * columnBytes(format, cols);
  const rows = min(8, a.ROWS - 8 * item);
  const y = a.y + (<usize>(a.FIRST_ROW + 8 * item) << 2);
  const stride = <usize>a.ROWS_TOTAL << 2, width = <usize>cols << 2;
  if (tokens == 1 && oneStraight(format, weights, cols, a.x, scratch)) {
    storeRows(y, v128.load(scratch), v128.load(scratch, 16), rows);
    return;
  }
  for (let k = 0; k < cols; k += FLOAT_COLUMNS) {
    const piece = min(FLOAT_COLUMNS, cols - k);
    const panel = floats(format, weights, k, piece, scratch);
    const x = a.x + (<usize>k << 2);
    if (tokens == 1) {
      oneFloats(panel, piece, x, y, rows, k == 0);
      continue;
    }
    for (let t = 0; t < tokens; t += 4) {
      // Past the end, the last token once more: it writes the same.
      const t1 = <usize>min(t + 1, tokens - 1), t2 = <usize>min(t + 2, tokens - 1), t3 = <usize>min(t + 3, tokens - 1);
      tileFloats(
        panel, piece, x + <usize>t * width, x + t1 * width, x + t2 * width, x + t3 * width,
        y + <usize>t * stride, y + t1 * stride, y + t2 * stride, y + t3 * stride, rows, k == 0,
      );
    }
  }
}
