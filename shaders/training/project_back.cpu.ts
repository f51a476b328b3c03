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
      let panel = scratch;
      for (let c = 0; c < columns; c += 8) {
        const to = dx + (<usize>c << 2);
        tileFloats(
          panel, count, dy + <usize>t * stride, dy + t1 * stride, dy + t2 * stride, dy + t3 * stride,
          to + <usize>t * strip, to + t1 * strip, to + t2 * strip, to + t3 * strip, min(8, columns - c), begin,
        );
        panel += <usize>count << 5;
      }
    }
  }
}
