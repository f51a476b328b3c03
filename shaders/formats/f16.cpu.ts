// Weights of half precision. A panel of 8 rows: 8 halves, a row each, for every column. 16 bits a weight.
import { widenHigh, widenLow } from "../cpu/lanes.cpu";
import { madd } from "../cpu/simd.cpu";

/** Bytes of a column of 8 rows. */
export const F16_COLUMN: i32 = 16;

/** Columns of 8 rows as floats: [columns][8 rows]. */
export function floatsF16(w: usize, columns: i32, panel: usize): void {
  for (let k = 0; k < columns; k++) {
    const halves = v128.load(w);
    v128.store(panel, widenLow(halves));
    v128.store(panel, widenHigh(halves), 16);
    w += F16_COLUMN;
    panel += 32;
  }
}

/** One token's floats against 8 rows, without a panel between: the sums of rows 0 … 3 at `out`, 4 … 7 behind them. */
export function oneF16(w: usize, columns: i32, x: usize, out: usize): void {
  let low = f32x4.splat(0), high = low;
  for (let k = 0; k < columns; k += 4) {
    let halves = v128.load(w, 0), t = v128.load32_splat(x, 0);
    low = madd(t, widenLow(halves), low); high = madd(t, widenHigh(halves), high);
    halves = v128.load(w, 16); t = v128.load32_splat(x, 4);
    low = madd(t, widenLow(halves), low); high = madd(t, widenHigh(halves), high);
    halves = v128.load(w, 32); t = v128.load32_splat(x, 8);
    low = madd(t, widenLow(halves), low); high = madd(t, widenHigh(halves), high);
    halves = v128.load(w, 48); t = v128.load32_splat(x, 12);
    low = madd(t, widenLow(halves), low); high = madd(t, widenHigh(halves), high);
    w += 4 * F16_COLUMN;
    x += 16;
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** One row of a panel as floats. `lane`: which of its 8. */
export function rowF16(w: usize, lane: usize, columns: i32, out: usize): void {
  for (let k = 0; k < columns; k++) {
    store<f32>(out, f32x4.extract_lane(widenLow(v128.load16_splat(w + 2 * lane)), 0));
    w += F16_COLUMN;
    out += 4;
  }
}
