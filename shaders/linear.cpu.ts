// Semantics: y[t, FIRST_ROW + r] = Σ_k W[r, k] · x[t, k], for the T tokens (COUNT_ROWS: the R rows of logits) of the step.
// Shapes: W [ROWS, COLS] in panels of 8 rows (formats/format.cpu.ts); x [T, COLS] f32, or int8 blocks xq, xs where xq is not
// null (quantised formats only); y [T, ROWS_TOTAL] f32.
// Items: ceil(ROWS / 8), a panel each, against all tokens.
import { scratch } from "./cpu/scratch.cpu";
import { blockBytes, oneFloats, storeRows, tileFloats, tileIntegers } from "./cpu/tile.cpu";
import { columnBytes, floats, one, planes, unpack } from "./formats/format.cpu";
import { stepAt } from "./step.cpu";

@unmanaged
export class LinearArgs {
  step: usize;
  quants: usize;
  x: usize;
  xq: usize;
  xs: usize;
  y: usize;
  FORMAT: i32;
  ROWS: i32;
  FIRST_ROW: i32;
  ROWS_TOTAL: i32;
  COLS: i32;
  COUNT_ROWS: i32;
}

/** Bytes of scratch for a panel: it should stay in the first cache while tokens pass by. */
const PANEL_BYTES: i32 = 24 << 10;
/** Columns of a float panel that fit. */
const FLOAT_COLUMNS: i32 = PANEL_BYTES / 32;

export function linear(args: usize, first: i32, end: i32): void {
  const a = changetype<LinearArgs>(args);
  const tokens = a.COUNT_ROWS ? stepAt(a.step).rows : stepAt(a.step).tokens;
  for (let item = first; item < end; item++) {
    if (a.xq) integers(a, item, tokens);
    else reals(a, item, tokens);
  }
}

function integers(a: LinearArgs, item: i32, tokens: i32): void {
  const format = a.FORMAT, blocks = a.COLS >> 5;
  const weights = a.quants + <usize>item * columnBytes(format, a.COLS);
  const rows = min(8, a.ROWS - 8 * item);
  const y = a.y + (<usize>(a.FIRST_ROW + 8 * item) << 2);
  const stride = <usize>a.ROWS_TOTAL << 2;
  // Fewer than three tokens are as fast one by one.
  const tiled = (tokens & 3) == 3 ? tokens : tokens & ~3;
  if (tiled > 0) {
    const count = planes(format);
    const most = PANEL_BYTES / blockBytes(count);
    for (let b = 0; b < blocks; b += most) {
      const piece = min(most, blocks - b);
      unpack(format, weights + columnBytes(format, b << 5), piece, scratch);
      for (let t = 0; t < tiled; t += 4) {
        // Past the end, the last token once more: it writes the same.
        const t3 = min(t + 3, tiled - 1);
        const x = a.xq + (<usize>b << 5), s = a.xs + (<usize>b << 3);
        tileIntegers(
          scratch, piece, count,
          x + <usize>t * a.COLS, x + <usize>(t + 1) * a.COLS, x + <usize>(t + 2) * a.COLS, x + <usize>t3 * a.COLS,
          s + (<usize>t * blocks << 3), s + (<usize>(t + 1) * blocks << 3), s + (<usize>(t + 2) * blocks << 3), s + (<usize>t3 * blocks << 3),
          y + <usize>t * stride, y + <usize>(t + 1) * stride, y + <usize>(t + 2) * stride, y + <usize>t3 * stride,
          rows, b == 0,
        );
      }
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
  for (let k = 0; k < cols; k += FLOAT_COLUMNS) {
    const piece = min(FLOAT_COLUMNS, cols - k);
    const panel = floats(format, weights + columnBytes(format, k), piece, scratch);
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
