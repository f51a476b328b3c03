// Semantics and shapes: project_back.wgsl. Items: ceil(T / 64) · ceil(COLS / 64), columns innermost. A sum runs over rows in
// their order.
import { packColumns } from "../cpu/columns.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { tileFloats } from "../cpu/tile_floats.cpu";
import { stepAt } from "../step.cpu";

@unmanaged
export class ProjectBackArgs {
  step: usize;
  weight: usize;
  dy: usize;
  dx: usize;
  ROWS: i32;
  COLS4: i32;
  DX_STRIDE4: i32;
  DX_OFFSET4: i32;
  ADD: i32;
}

const TOKENS: i32 = 64;
const COLUMNS: i32 = 64;
/** Rows that are packed together: they should stay in the first cache while tokens pass by. */
const ROWS_AT_ONCE: i32 = 64;

export function project_back(args: usize, first: i32, end: i32): void {
  const a = changetype<ProjectBackArgs>(args);
  const tokens = stepAt(a.step).tokens;
  const chunks = (4 * a.COLS4 + COLUMNS - 1) / COLUMNS;
  for (let item = first; item < end; item++) {
    const token = item / chunks * TOKENS;
    compute(a, item % chunks * COLUMNS, token, min(token + TOKENS, tokens));
  }
}

function compute(a: ProjectBackArgs, column: i32, first: i32, end: i32): void {
  const width = 4 * a.COLS4, columns = min(COLUMNS, width - column);
  const strip = <usize>a.DX_STRIDE4 << 4, stride = <usize>a.ROWS << 2;
  const dx = a.dx + (<usize>(4 * a.DX_OFFSET4 + column) << 2);
  for (let row = 0; row < a.ROWS; row += ROWS_AT_ONCE) {
    const count = min(ROWS_AT_ONCE, a.ROWS - row);
    packColumns(a.weight + (<usize>row * width + column << 2), <usize>width << 2, count, columns, scratch);
    const begin = row == 0 && !a.ADD;
    const dy = a.dy + (<usize>row << 2);
    for (let t = first; t < end; t += 4) {
      // Past the end, the last token once more: it writes the same.
      const t1 = <usize>min(t + 1, end - 1), t2 = <usize>min(t + 2, end - 1), t3 = <usize>min(t + 3, end - 1);
      fourTokens(
        count, dy + <usize>t * stride, dy + t1 * stride, dy + t2 * stride, dy + t3 * stride,
        dx + <usize>t * strip, dx + t1 * strip, dx + t2 * strip, dx + t3 * strip, columns, begin,
      );
    }
  }
}

/** What `count` packed rows add to four tokens. Rows that are zeros for all four, as those of LoRAs not chosen, are left out. */
function fourTokens(
  count: i32, d0: usize, d1: usize, d2: usize, d3: usize,
  x0: usize, x1: usize, x2: usize, x3: usize, columns: i32, begin: bool,
): void {
  let k = 0;
  do {
    while (k < count && areZeros(k, d0, d1, d2, d3)) k += 4;
    const from = k;
    while (k < count && !areZeros(k, d0, d1, d2, d3)) k += 4;
    const rows = max(min(k, count) - from, 0), at = <usize>from << 2;
    // Where nothing is left, zeros are what begins a sum.
    if (rows == 0 && !begin) return;
    let panel = scratch + (<usize>from << 5);
    for (let c = 0; c < columns; c += 8) {
      const to = <usize>c << 2;
      tileFloats(
        panel, rows, d0 + at, d1 + at, d2 + at, d3 + at,
        x0 + to, x1 + to, x2 + to, x3 + to, min(8, columns - c), begin,
      );
      panel += <usize>count << 5;
    }
    begin = false;
  } while (k < count);
}

@inline
function areZeros(row: i32, d0: usize, d1: usize, d2: usize, d3: usize): bool {
  const at = <usize>row << 2;
  const d01 = v128.or(v128.load(d0 + at), v128.load(d1 + at)), d23 = v128.or(v128.load(d2 + at), v128.load(d3 + at));
  return !v128.any_true(v128.or(d01, d23));
}
