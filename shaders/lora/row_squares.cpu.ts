// Semantics: squares[FIRST_ROW + r] = Σ_k W[r, k]²
// Shapes: W [ROWS, COLS] in panels of its FORMAT, or a shard of it; squares [all rows] f32. Items: panels of 8 rows.
// Source: the row norms of DoRA, Liu et al. 2024, eq. 5.
import { across } from "../cpu/lanes.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { madd } from "../cpu/simd.cpu";
import { readRow } from "../formats/format.cpu";

@unmanaged
export class RowSquaresArgs {
  quants: usize;
  squares: usize;
  FORMAT: i32;
  COLS: i32;
  FIRST_ROW: i32;
  ROWS: i32;
}

export function row_squares(args: usize, first: i32, end: i32): void {
  const a = changetype<RowSquaresArgs>(args);
  for (let row = 8 * first; row < min(8 * end, a.ROWS); row++) {
    readRow(a.FORMAT, a.quants, row, a.COLS, scratch);
    let sum = f32x4.splat(0);
    for (let i: usize = 0; i < <usize>a.COLS << 2; i += 16) {
      const w = v128.load(scratch + i);
      sum = madd(w, w, sum);
    }
    store<f32>(a.squares + (<usize>(a.FIRST_ROW + row) << 2), across(sum));
  }
}
