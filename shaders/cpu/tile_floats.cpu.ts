// 8 rows of weights as floats against four tokens of f32 activations, or one: a lane a row.
// An output's bits depend on its row and its token alone: it is one running sum over the columns.
import { loadHigh, loadLow, storeRows } from "./rows.cpu";
import { madd } from "./simd.cpu";

/**
 * panel [columns][8 rows]; x0 … x3: floats of four tokens; y0 … y3: their sums, which run on from
 * what y holds unless `begin`.
 */
export function tileFloats(
  panel: usize, columns: i32, x0: usize, x1: usize, x2: usize, x3: usize,
  y0: usize, y1: usize, y2: usize, y3: usize, rows: i32, begin: bool,
): void {
  let f0 = loadLow(y0, rows, begin), f1 = loadLow(y1, rows, begin), f2 = loadLow(y2, rows, begin), f3 = loadLow(y3, rows, begin);
  let g0 = loadHigh(y0, rows, begin), g1 = loadHigh(y1, rows, begin), g2 = loadHigh(y2, rows, begin), g3 = loadHigh(y3, rows, begin);
  const end = <usize>columns << 2;
  // A column at a time: V8 moves the loads of a longer body to its front, and then keeps half of it in memory.
  for (let k: usize = 0; k < end; k += 4) {
    const w = v128.load(panel), u = v128.load(panel, 16);
    let t = v128.load32_splat(x0 + k);
    f0 = madd(t, w, f0); g0 = madd(t, u, g0); t = v128.load32_splat(x1 + k);
    f1 = madd(t, w, f1); g1 = madd(t, u, g1); t = v128.load32_splat(x2 + k);
    f2 = madd(t, w, f2); g2 = madd(t, u, g2); t = v128.load32_splat(x3 + k);
    f3 = madd(t, w, f3); g3 = madd(t, u, g3);
    panel += 32;
  }
  storeRows(y0, f0, g0, rows);
  storeRows(y1, f1, g1, rows);
  storeRows(y2, f2, g2, rows);
  storeRows(y3, f3, g3, rows);
}

/** The same for one token; columns a multiple of 4. */
export function oneFloats(panel: usize, columns: i32, x: usize, y: usize, rows: i32, begin: bool): void {
  let f = loadLow(y, rows, begin), g = loadHigh(y, rows, begin);
  for (let k = 0; k < columns; k += 4) {
    let t = v128.load32_splat(x, 0);
    f = madd(t, v128.load(panel, 0), f); g = madd(t, v128.load(panel, 16), g); t = v128.load32_splat(x, 4);
    f = madd(t, v128.load(panel, 32), f); g = madd(t, v128.load(panel, 48), g); t = v128.load32_splat(x, 8);
    f = madd(t, v128.load(panel, 64), f); g = madd(t, v128.load(panel, 80), g); t = v128.load32_splat(x, 12);
    f = madd(t, v128.load(panel, 96), f); g = madd(t, v128.load(panel, 112), g);
    panel += 128;
    x += 16;
  }
  storeRows(y, f, g, rows);
}
