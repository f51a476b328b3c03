// Weights of 4 bits with a scale and a minimum per 32 columns, whole numbers of 8 bits, times two halves per 128 (GGUF's q4_k):
// w = (d · s) · nibble + e · m. 4.75 bits a weight.
// A block of a panel (8 rows, 128 columns): 8 halves d, 8 halves e, bytes s [4][8 rows], bytes m [4][8 rows], then 32 columns a
// time words [4][8 rows]: byte i of word j of a row holds column 4j + i in its low nibble, column 16 + 4j + i in the high one.
import { bytesHigh, bytesLow, byteSplat, widenHigh, widenLow, widenSplat } from "../cpu/lanes.cpu";
import { dotPairs, madd, wholeDots } from "../cpu/simd.cpu";
import { INTEGER_BLOCK } from "../cpu/tile_integers.cpu";

/** Bytes of a block of 8 rows. */
export const Q4K_BLOCK: i32 = 608;
/** From scales to minima. */
const MINIMA: usize = 32;
/** Where the words begin, and those of a group. */
const WORDS: usize = 96;
const GROUP: usize = 128;

/** Blocks of 32 columns, whole ones of 128, to the panel that cpu/tile_integers.cpu.ts reads. */
export function unpackQ4K(w: usize, blocks: i32, panel: usize): void {
  const mask = i8x16.splat(15);
  for (let b = 0; b < blocks; b += 4) {
    const d = v128.load(w), e = v128.load(w, 16);
    const d0 = widenLow(d), d1 = widenHigh(d), e0 = widenLow(e), e1 = widenHigh(e);
    for (let g: usize = 0; g < 4; g++) {
      const s = w + 32 + (g << 3), words = w + WORDS + g * GROUP;
      v128.store(panel, f32x4.mul(d0, bytesLow(s)));
      v128.store(panel, f32x4.mul(d1, bytesHigh(s)), 16);
      v128.store(panel, f32x4.mul(e0, bytesLow(s + MINIMA)), 32);
      v128.store(panel, f32x4.mul(e1, bytesHigh(s + MINIMA)), 48);
      for (let i: usize = 0; i < 128; i += 16) {
        const v = v128.load(words + i);
        v128.store(panel + i, v128.and(v, mask), 64);
        v128.store(panel + i, i8x16.shr_u(v, 4), 192);
      }
      panel += INTEGER_BLOCK;
    }
    w += Q4K_BLOCK;
  }
}

/** Columns [first, first + columns) of 8 rows as floats, [columns][8 rows]; whole groups of 32. `w`: column 0. */
export function floatsQ4K(w: usize, first: i32, columns: i32, panel: usize): void {
  const mask = i32x4.splat(15);
  w += <usize>(first >> 7) * Q4K_BLOCK;
  for (let c = first; c < first + columns; c += 32) {
    const g = <usize>(c >> 5 & 3), s = w + 32 + (g << 3);
    const d = v128.load(w), e = v128.load(w, 16);
    const d0 = f32x4.mul(widenLow(d), bytesLow(s)), d1 = f32x4.mul(widenHigh(d), bytesHigh(s));
    const m0 = f32x4.mul(widenLow(e), bytesLow(s + MINIMA)), m1 = f32x4.mul(widenHigh(e), bytesHigh(s + MINIMA));
    for (let j: usize = 0; j < 4; j++) {
      const words = w + WORDS + g * GROUP + (j << 5);
      let v = v128.load(words), u = v128.load(words, 16);
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
    if (g == 3) w += Q4K_BLOCK;
    panel += 1024;
  }
}

/** One token against 8 rows, straight from the nibbles: the sums of rows 0 … 3 at `out`, 4 … 7 behind them. */
export function oneQ4K(w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  const mask = i8x16.splat(15);
  let low = f32x4.splat(0), high = low;
  for (let b = 0; b < blocks; b += 4) {
    const d = v128.load(w), e = v128.load(w, 16);
    const d0 = widenLow(d), d1 = widenHigh(d), e0 = widenLow(e), e1 = widenHigh(e);
    let s = w + 32;
    w += WORDS;
    for (let g = 0; g < 4; g++) {
      let a = i32x4.splat(0), c = a, f = a, h = a;
      let v = v128.load(w, 0), u = v128.load(w, 16), t = v128.load32_splat(x, 0);
      a = dotPairs(t, v128.and(v, mask), a);
      c = dotPairs(t, v128.and(u, mask), c);
      t = v128.load32_splat(x, 16);
      f = dotPairs(t, i8x16.shr_u(v, 4), f);
      h = dotPairs(t, i8x16.shr_u(u, 4), h);
      v = v128.load(w, 32);
      u = v128.load(w, 48);
      t = v128.load32_splat(x, 4);
      a = dotPairs(t, v128.and(v, mask), a);
      c = dotPairs(t, v128.and(u, mask), c);
      t = v128.load32_splat(x, 20);
      f = dotPairs(t, i8x16.shr_u(v, 4), f);
      h = dotPairs(t, i8x16.shr_u(u, 4), h);
      v = v128.load(w, 64);
      u = v128.load(w, 80);
      t = v128.load32_splat(x, 8);
      a = dotPairs(t, v128.and(v, mask), a);
      c = dotPairs(t, v128.and(u, mask), c);
      t = v128.load32_splat(x, 24);
      f = dotPairs(t, i8x16.shr_u(v, 4), f);
      h = dotPairs(t, i8x16.shr_u(u, 4), h);
      v = v128.load(w, 96);
      u = v128.load(w, 112);
      t = v128.load32_splat(x, 12);
      a = dotPairs(t, v128.and(v, mask), a);
      c = dotPairs(t, v128.and(u, mask), c);
      t = v128.load32_splat(x, 28);
      f = dotPairs(t, i8x16.shr_u(v, 4), f);
      h = dotPairs(t, i8x16.shr_u(u, 4), h);
      const scale = v128.load32_splat(xs), sum = v128.load32_splat(xs, 4);
      const dots0 = wholeDots(i16x8.add(a, f)), dots1 = wholeDots(i16x8.add(c, h));
      low = madd(f32x4.mul(f32x4.mul(d0, bytesLow(s)), scale), dots0, madd(f32x4.mul(e0, bytesLow(s + MINIMA)), sum, low));
      high = madd(f32x4.mul(f32x4.mul(d1, bytesHigh(s)), scale), dots1, madd(f32x4.mul(e1, bytesHigh(s + MINIMA)), sum, high));
      w += GROUP;
      s += 8;
      x += 32;
      xs += 8;
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** One row of a panel as floats. `lane`: which of its 8. */
export function rowQ4K(w: usize, lane: usize, columns: i32, out: usize): void {
  const mask = i32x4.splat(15);
  for (let c = 0; c < columns; c += 128) {
    const d = widenSplat(w + 2 * lane), e = widenSplat(w + 16 + 2 * lane);
    for (let g: usize = 0; g < 4; g++) {
      const s = w + 32 + (g << 3) + lane;
      const scale = f32x4.mul(d, byteSplat(s)), minimum = f32x4.mul(e, byteSplat(s + MINIMA));
      for (let j: usize = 0; j < 4; j++) {
        const bytes = v128.load32_zero(w + WORDS + g * GROUP + (j << 5) + 4 * lane);
        const v = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
        v128.store(out + (j << 4), madd(scale, f32x4.convert_i32x4_s(v128.and(v, mask)), minimum));
        v128.store(out + (j << 4), madd(scale, f32x4.convert_i32x4_s(i32x4.shr_u(v, 4)), minimum), 64);
      }
      out += 128;
    }
    w += Q4K_BLOCK;
  }
}
