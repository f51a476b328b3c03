// Semantics and shapes: backward_linear.wgsl; W in panels of 8 rows (formats/format.cpu.ts).
// Items: blocks of at most 128 tokens · ceil(COLS / 64), column blocks innermost. A sum runs over rows in their order.
import { packTransposed } from "../cpu/columns.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { tileFloats } from "../cpu/tile_floats.cpu";
import { columnBytes, floats } from "../formats/format.cpu";
import { stepAt } from "../step.cpu";

@unmanaged
export class BackwardLinearArgs {
  step: usize;
  quants: usize;
  dy: usize;
  dx: usize;
  FORMAT: i32;
  ROWS: i32;
  COLS: i32;
  DY_STRIDE: i32;
  DY_OFFSET: i32;
  DX_STRIDE: i32;
  DX_OFFSET: i32;
  ADD: i32;
}

/** Against which weights are unpacked once. */
const TOKENS: i32 = 128;
/** Whole blocks of the quantised formats. */
const COLUMNS: i32 = 64;
/** Rows that are unpacked together: a panel of 8 columns should stay in the first cache, all of them in the second. */
const ROWS_AT_ONCE: i32 = 256;
/** From one panel of 8 columns to the next. */
const PANEL: usize = <usize>ROWS_AT_ONCE << 5;

export function backward_linear(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardLinearArgs>(args);
  const tokens = stepAt(a.step).tokens;
  const blocks = (tokens + TOKENS - 1) / TOKENS;
  // As even as whole tiles of four tokens allow.
  const each = ((tokens + blocks - 1) / blocks + 3) & ~3;
  const chunks = (a.COLS + COLUMNS - 1) / COLUMNS;
  for (let item = first; item < end; item++) {
    const token = item / chunks * each;
    compute(a, item % chunks * COLUMNS, token, min(token + each, tokens));
  }
}

function compute(a: BackwardLinearArgs, column: i32, first: i32, end: i32): void {
  const columns = min(COLUMNS, a.COLS - column);
  const strip = <usize>a.DX_STRIDE << 2;
  const dx = a.dx + (<usize>(a.DX_OFFSET + column) << 2);
  for (let row = 0; row < a.ROWS; row += ROWS_AT_ONCE) {
    const count = min(ROWS_AT_ONCE, a.ROWS - row);
    unpackRows(a, row, count, column, columns);
    const begin = row == 0 && !a.ADD;
    for (let t = first; t < end; t += 4) {
      // Past the end, the last token once more: it writes the same.
      const t1 = min(t + 1, end - 1), t2 = min(t + 2, end - 1), t3 = min(t + 3, end - 1);
      const y0 = dx + <usize>t * strip, y1 = dx + <usize>t1 * strip, y2 = dx + <usize>t2 * strip, y3 = dx + <usize>t3 * strip;
      const x0 = gradientAt(a, t, row), x1 = gradientAt(a, t1, row), x2 = gradientAt(a, t2, row), x3 = gradientAt(a, t3, row);
      let panel = scratch;
      for (let c = 0; c < columns; c += 8) {
        const at = <usize>c << 2;
        tileFloats(panel, count, x0, x1, x2, x3, y0 + at, y1 + at, y2 + at, y3 + at, min(8, columns - c), begin);
        panel += PANEL;
      }
    }
  }
}

@inline
function gradientAt(a: BackwardLinearArgs, token: i32, row: i32): usize {
  return a.dy + (<usize>token * a.DY_STRIDE + a.DY_OFFSET + row << 2);
}

/** Rows [row, row + count) of a block of columns as panels of 8 columns, at the begin of scratch. `row`: a multiple of 8. */
function unpackRows(a: BackwardLinearArgs, row: i32, count: i32, column: i32, columns: i32): void {
  const panelBytes = columnBytes(a.FORMAT, a.COLS);
  let weights = a.quants + <usize>(row >> 3) * panelBytes;
  const room = scratch + <usize>(COLUMNS >> 3) * PANEL;
  for (let r = 0; r < count; r += 8) {
    const values = floats(a.FORMAT, weights, column, columns, room);
    packTransposed(values, 32, columns, 8, scratch + (<usize>r << 5), PANEL);
    weights += panelBytes;
  }
}
