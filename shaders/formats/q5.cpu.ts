// Weights of 5 bits with a scale and a minimum per 32 columns (GGUF's q5_0 and q5_1): w = d · code + m. 6 bits a weight.
// A block of a panel (8 rows, 32 columns): 8 halves d, 8 halves m, then words [5][8 rows]: byte i of word j < 4 of a row holds
// the low bits of column 4j + i in its low nibble, of column 16 + 4j + i in the high one; bit p of byte i of word 4 is the fifth
// bit of column 4p + i.
import { sixteen, spread } from "../cpu/codes.cpu";
import { wholeBytes, widenHigh, widenLow, widenSplat } from "../cpu/lanes.cpu";
import { dotPairs, madd, wholeDots } from "../cpu/simd.cpu";
import { GROUPS_BLOCK } from "../cpu/tile_groups.cpu";

/** Bytes of a block of 8 rows. */
export const Q5_BLOCK: i32 = 192;
/** Where the fifth bits of rows 0 … 3 begin. */
const FIFTH: usize = 160;

/** Codes of columns 4p … 4p + 3 of four rows, from the word that has their low bits and that of fifth bits. */
@inline
function codes(p: i32, nibbles: v128, fifth: v128): v128 {
  const low = v128.and(p < 4 ? nibbles : i32x4.shr_u(nibbles, 4), i8x16.splat(15));
  return v128.or(low, v128.and(p < 4 ? i32x4.shl(fifth, 4 - p) : i32x4.shr_u(fifth, p - 4), i8x16.splat(16)));
}

/** Blocks to the panel that cpu/tile_groups.cpu.ts reads: sums of 32 columns would not fit in the 16 bits of cpu/tile_integers. */
export function unpackQ5(w: usize, blocks: i32, panel: usize): void {
  for (let b = 0; b < blocks; b++) {
    const d = v128.load(w), m = v128.load(w, 16);
    const d0 = widenLow(d), d1 = widenHigh(d), m0 = widenLow(m), m1 = widenHigh(m);
    for (let group: usize = 0; group < <usize>GROUPS_BLOCK; group += GROUPS_BLOCK >> 1) {
      v128.store(panel + group, d0);
      v128.store(panel + group, d1, 16);
      v128.store(panel + group, m0, 32);
      v128.store(panel + group, m1, 48);
    }
    for (let rows: usize = 0; rows < 32; rows += 16) {
      const fifth = v128.load(w + rows, FIFTH), to = panel + rows;
      let v = v128.load(w + rows, 32);
      v128.store(to, codes(0, v, fifth), 64);
      v128.store(to, codes(4, v, fifth), 256);
      v = v128.load(w + rows, 64);
      v128.store(to, codes(1, v, fifth), 96);
      v128.store(to, codes(5, v, fifth), 288);
      v = v128.load(w + rows, 96);
      v128.store(to, codes(2, v, fifth), 128);
      v128.store(to, codes(6, v, fifth), 320);
      v = v128.load(w + rows, 128);
      v128.store(to, codes(3, v, fifth), 160);
      v128.store(to, codes(7, v, fifth), 352);
    }
    w += Q5_BLOCK;
    panel += GROUPS_BLOCK;
  }
}

/** Columns of 8 rows as floats: [columns][8 rows]. */
export function floatsQ5(w: usize, columns: i32, panel: usize): void {
  for (let b = 0; b < columns; b += 32) {
    const d = v128.load(w), m = v128.load(w, 16);
    for (let rows: usize = 0; rows < 32; rows += 16) {
      const scale = rows ? widenHigh(d) : widenLow(d), minimum = rows ? widenHigh(m) : widenLow(m);
      const fifth = v128.load(w + rows, FIFTH), to = panel + rows;
      let v = v128.load(w + rows, 32);
      spread(codes(0, v, fifth), scale, minimum, to);
      spread(codes(4, v, fifth), scale, minimum, to + 512);
      v = v128.load(w + rows, 64);
      spread(codes(1, v, fifth), scale, minimum, to + 128);
      spread(codes(5, v, fifth), scale, minimum, to + 640);
      v = v128.load(w + rows, 96);
      spread(codes(2, v, fifth), scale, minimum, to + 256);
      spread(codes(6, v, fifth), scale, minimum, to + 768);
      v = v128.load(w + rows, 128);
      spread(codes(3, v, fifth), scale, minimum, to + 384);
      spread(codes(7, v, fifth), scale, minimum, to + 896);
    }
    w += Q5_BLOCK;
    panel += 1024;
  }
}

/** Integer sums of 16 columns of four rows, from word p of codes on: up to 8 · 127 · 31, which 16 bits hold. */
@inline
function dots(p: i32, x: usize, v0: v128, v1: v128, v2: v128, v3: v128, fifth: v128): v128 {
  const zero = i32x4.splat(0);
  const even = dotPairs(v128.load32_splat(x, 8), codes(p + 2, v2, fifth), dotPairs(v128.load32_splat(x, 0), codes(p, v0, fifth), zero));
  const odd = dotPairs(v128.load32_splat(x, 12), codes(p + 3, v3, fifth), dotPairs(v128.load32_splat(x, 4), codes(p + 1, v1, fifth), zero));
  return wholeDots(i16x8.add(even, odd));
}

/** One token against 8 rows, straight from the bits: the sums of rows 0 … 3 at `out`, 4 … 7 behind them. */
export function oneQ5(w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  let low = f32x4.splat(0), high = low;
  for (let b = 0; b < blocks; b++) {
    const d = v128.load(w), m = v128.load(w, 16), scale = v128.load32_splat(xs);
    const sum0 = f32x4.mul(scale, wholeBytes(v128.load(x))), sum1 = f32x4.mul(scale, wholeBytes(v128.load(x, 16)));
    let fifth = v128.load(w, FIFTH);
    let v0 = v128.load(w, 32), v1 = v128.load(w, 64), v2 = v128.load(w, 96), v3 = v128.load(w, 128);
    let factor = f32x4.mul(widenLow(d), scale), minimum = widenLow(m);
    low = madd(factor, dots(0, x, v0, v1, v2, v3, fifth), madd(minimum, sum0, low));
    low = madd(factor, dots(4, x + 16, v0, v1, v2, v3, fifth), madd(minimum, sum1, low));
    fifth = v128.load(w, FIFTH + 16);
    v0 = v128.load(w, 48); v1 = v128.load(w, 80); v2 = v128.load(w, 112); v3 = v128.load(w, 144);
    factor = f32x4.mul(widenHigh(d), scale); minimum = widenHigh(m);
    high = madd(factor, dots(0, x, v0, v1, v2, v3, fifth), madd(minimum, sum0, high));
    high = madd(factor, dots(4, x + 16, v0, v1, v2, v3, fifth), madd(minimum, sum1, high));
    w += Q5_BLOCK;
    x += 32;
    xs += 8;
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** One row of a panel as floats. `lane`: which of its 8. */
export function rowQ5(w: usize, lane: usize, columns: i32, out: usize): void {
  const mask = i8x16.splat(15);
  for (let b = 0; b < columns; b += 32) {
    const d = widenSplat(w + 2 * lane), m = widenSplat(w + 16 + 2 * lane), words = w + 4 * lane;
    const nibbles = i32x4(load<u32>(words, 32), load<u32>(words, 64), load<u32>(words, 96), load<u32>(words, 128));
    const h = load<u32>(words, FIFTH);
    // The 32 codes side by side, a word for each four columns.
    const near = i32x4(h << 4, h << 3, h << 2, h << 1), far = i32x4(h, h >> 1, h >> 2, h >> 3);
    sixteen(v128.or(v128.and(nibbles, mask), v128.and(near, i8x16.splat(16))), d, m, out);
    sixteen(v128.or(v128.and(i32x4.shr_u(nibbles, 4), mask), v128.and(far, i8x16.splat(16))), d, m, out + 64);
    w += Q5_BLOCK;
    out += 128;
  }
}
