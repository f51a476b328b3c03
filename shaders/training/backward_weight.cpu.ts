// Semantics and shapes: backward_weight.wgsl. Items: ceil(ROWS / 32) · ceil(COLS / 32), columns innermost, over all tokens.
// A sum runs over tokens in their order.
import { packColumns, tileOuter } from "../cpu/columns.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { stepAt } from "../step.cpu";

@unmanaged
export class BackwardWeightArgs {
  step: usize;
  u: usize;
  x: usize;
  dw: usize;
  ROWS4: i32;
  COLS4: i32;
  X_STRIDE4: i32;
  X_OFFSET4: i32;
}

const ROWS_AT_ONCE: i32 = 32;
const COLUMNS: i32 = 32;
/** Tokens that are packed together: they should stay in the first cache while rows pass by. */
const TOKENS: i32 = 64;

export function backward_weight(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardWeightArgs>(args);
  const chunks = (4 * a.COLS4 + COLUMNS - 1) / COLUMNS;
  for (let item = first; item < end; item++) {
    const row = item / chunks * ROWS_AT_ONCE;
    compute(a, item % chunks * COLUMNS, row, min(row + ROWS_AT_ONCE, 4 * a.ROWS4));
  }
}

/** Rows [first, end) of a block of columns. */
function compute(a: BackwardWeightArgs, column: i32, first: i32, end: i32): void {
  const columns = min(COLUMNS, 4 * a.COLS4 - column), tokens = stepAt(a.step).tokens;
  const xBytes = <usize>a.X_STRIDE4 << 4, uBytes = <usize>a.ROWS4 << 4, bytes = <usize>a.COLS4 << 4;
  const x = a.x + (<usize>(4 * a.X_OFFSET4 + column) << 2);
  const dw = a.dw + (<usize>column << 2);
  for (let t = 0; t < tokens; t += TOKENS) {
    const count = min(TOKENS, tokens - t);
    packColumns(x + <usize>t * xBytes, xBytes, count, columns, scratch);
    for (let row = first; row < end; row += 4) {
      const u = a.u + <usize>t * uBytes + (<usize>row << 2);
      let panel = scratch, to = dw + <usize>row * bytes;
      for (let c = 0; c < columns; c += 8) {
        tileOuter(panel, count, u, uBytes, to, bytes, columns - c >= 8);
        panel += <usize>count << 5;
        to += 32;
      }
    }
  }
}
