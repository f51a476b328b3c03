// Weights of 4 bits with a scale and a minimum per 32 columns (GGUF's q4_0 and q4_1): w = d · nibble + m. 5 bits a weight.
// A block of a panel (8 rows, 32 columns): 8 halves d, 8 halves m, then words [4][8 rows]: byte i of word j of a row holds
// column 4j + i in its low nibble, column 16 + 4j + i in the high one.
import { widenHigh, widenLow, widenSplat } from "../cpu/lanes.cpu";
import { dotPairs, madd, wholeDots } from "../cpu/simd.cpu";
import { INTEGER_BLOCK } from "../cpu/tile_integers.cpu";

/** Bytes of a block of 8 rows. */
export const Q4_BLOCK: i32 = 160;

/** Blocks to the panel that cpu/tile_integers.cpu.ts reads. */
export function unpackQ4(w: usize, blocks: i32, panel: usize): void {
  const mask = i8x16.splat(15);
  for (let b = 0; b < blocks; b++) {
    const d = v128.load(w), m = v128.load(w, 16);
    v128.store(panel, widenLow(d));
    v128.store(panel, widenHigh(d), 16);
    v128.store(panel, widenLow(m), 32);
    v128.store(panel, widenHigh(m), 48);
    for (let i: usize = 0; i < 128; i += 16) {
      const v = v128.load(w + i, 32);
      v128.store(panel + i, v128.and(v, mask), 64);
      v128.store(panel + i, i8x16.shr_u(v, 4), 192);
    }
    w += Q4_BLOCK;
    panel += INTEGER_BLOCK;
  }
}

/** Columns of 8 rows as floats: [columns][8 rows]. */
export function floatsQ4(w: usize, columns: i32, panel: usize): void {
  const mask = i32x4.splat(15);
  for (let b = 0; b < columns; b += 32) {
    const d = v128.load(w), m = v128.load(w, 16);
    const d0 = widenLow(d), d1 = widenHigh(d), m0 = widenLow(m), m1 = widenHigh(m);
    for (let j: usize = 0; j < 4; j++) {
      let v = v128.load(w + (j << 5), 32), u = v128.load(w + (j << 5), 48);
      // Byte i of every row's word: both nibbles of it, then the next byte.
      for (let at = panel + (j << 7), i = 0; i < 4; i++, at += 32) {
        v128.store(at, madd(d0, f32x4.convert_i32x4_s(v128.and(v, mask)), m0));
        v128.store(at, madd(d1, f32x4.convert_i32x4_s(v128.and(u, mask)), m1), 16);
        v128.store(at, madd(d0, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(v, 4), mask)), m0), 512);
        v128.store(at, madd(d1, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(u, 4), mask)), m1), 528);
        v = i32x4.shr_u(v, 8);
        u = i32x4.shr_u(u, 8);
      }
    }
    w += Q4_BLOCK;
    panel += 1024;
  }
}

/** One token against 8 rows, straight from the nibbles: the sums of rows 0 … 3 at `out`, 4 … 7 behind them. */
export function oneQ4(w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  const mask = i8x16.splat(15);
  let low = f32x4.splat(0), high = low;
  for (let b = 0; b < blocks; b++) {
    let a = i32x4.splat(0), c = a, e = a, g = a;
    let v = v128.load(w, 32), u = v128.load(w, 48), t = v128.load32_splat(x, 0);
    a = dotPairs(t, v128.and(v, mask), a);
    c = dotPairs(t, v128.and(u, mask), c);
    t = v128.load32_splat(x, 16);
    e = dotPairs(t, i8x16.shr_u(v, 4), e);
    g = dotPairs(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 64);
    u = v128.load(w, 80);
    t = v128.load32_splat(x, 4);
    a = dotPairs(t, v128.and(v, mask), a);
    c = dotPairs(t, v128.and(u, mask), c);
    t = v128.load32_splat(x, 20);
    e = dotPairs(t, i8x16.shr_u(v, 4), e);
    g = dotPairs(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 96);
    u = v128.load(w, 112);
    t = v128.load32_splat(x, 8);
    a = dotPairs(t, v128.and(v, mask), a);
    c = dotPairs(t, v128.and(u, mask), c);
    t = v128.load32_splat(x, 24);
    e = dotPairs(t, i8x16.shr_u(v, 4), e);
    g = dotPairs(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 128);
    u = v128.load(w, 144);
    t = v128.load32_splat(x, 12);
    a = dotPairs(t, v128.and(v, mask), a);
    c = dotPairs(t, v128.and(u, mask), c);
    t = v128.load32_splat(x, 28);
    e = dotPairs(t, i8x16.shr_u(v, 4), e);
    g = dotPairs(t, i8x16.shr_u(u, 4), g);
    const d = v128.load(w), m = v128.load(w, 16);
    const scale = v128.load32_splat(xs), sum = v128.load32_splat(xs, 4);
    low = madd(f32x4.mul(widenLow(d), scale), wholeDots(i16x8.add(a, e)), madd(widenLow(m), sum, low));
    high = madd(f32x4.mul(widenHigh(d), scale), wholeDots(i16x8.add(c, g)), madd(widenHigh(m), sum, high));
    w += Q4_BLOCK;
    x += 32;
    xs += 8;
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** One row of a panel as floats. `lane`: which of its 8. */
export function rowQ4(w: usize, lane: usize, columns: i32, out: usize): void {
  const mask = i32x4.splat(15);
  for (let b = 0; b < columns; b += 32) {
    const d = widenSplat(w + 2 * lane), m = widenSplat(w + 16 + 2 * lane);
    for (let j: usize = 0; j < 4; j++) {
      const bytes = v128.load32_zero(w + (j << 5) + 4 * lane, 32);
      const v = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
      v128.store(out + (j << 4), madd(d, f32x4.convert_i32x4_s(v128.and(v, mask)), m));
      v128.store(out + (j << 4), madd(d, f32x4.convert_i32x4_s(i32x4.shr_u(v, 4)), m), 64);
    }
    w += Q4_BLOCK;
    out += 128;
  }
}
