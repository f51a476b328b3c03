// Weights of 5 bits with a scale and a minimum per 32 columns (GGUF's q5_0 and q5_1): w = d · code + m. 6 bits a weight.
// A block of a panel (8 rows, 32 columns): 8 halves d, 8 halves m, then words [5][8 rows]: byte i of word j < 4 of a row holds
// the low bits of column 4j + i in its low nibble, of column 16 + 4j + i in the high one; bit p of byte i of word 4 is the fifth
// bit of column 4p + i.
import { sixteen, spread } from "../cpu/codes.cpu";
import { widenHigh, widenLow, widenSplat } from "../cpu/lanes.cpu";
import { dotPairs, madd } from "../cpu/simd.cpu";
import { halvesDots } from "../cpu/tile_fives.cpu";
import { INTEGER_BLOCK } from "../cpu/tile_integers.cpu";

/** Bytes of a block of 8 rows. */
export const Q5_BLOCK: i32 = 192;
/** Where the fifth bits of rows 0 … 3 begin. */
const FIFTH: usize = 160;

/** Codes of columns 4p … 4p + 3 of four rows, from the word that has their low bits and that of fifth bits. */
@inline
function codes(p: i32, nibbles: v128, fifth: v128): v128 {
  const low = v128.and(p < 4 ? nibbles : i32x4.shr_u(nibbles, 4), i8x16.splat(15));
  return v128.or(low, v128.and(p < 4 ? i32x4.shl(fifth, 4 - p) : p > 4 ? i32x4.shr_u(fifth, p - 4) : fifth, i8x16.splat(16)));
}

/** Blocks to the panel that cpu/tile_fives.cpu.ts reads. */
export function unpackQ5(w: usize, blocks: i32, panel: usize): void {
  for (let b = 0; b < blocks; b++) {
    const d = v128.load(w), m = v128.load(w, 16);
    v128.store(panel, widenLow(d));
    v128.store(panel, widenHigh(d), 16);
    v128.store(panel, widenLow(m), 32);
    v128.store(panel, widenHigh(m), 48);
    for (let rows: usize = 0; rows < 32; rows += 16) {
      const fifth = v128.load(w + rows, FIFTH), to = panel + rows;
      let v = v128.load(w + rows, 32);
      v128.store(to, codes(0, v, fifth), 64);
      v128.store(to, codes(4, v, fifth), 192);
      v = v128.load(w + rows, 64);
      v128.store(to, codes(1, v, fifth), 96);
      v128.store(to, codes(5, v, fifth), 224);
      v = v128.load(w + rows, 96);
      v128.store(to, codes(2, v, fifth), 128);
      v128.store(to, codes(6, v, fifth), 256);
      v = v128.load(w + rows, 128);
      v128.store(to, codes(3, v, fifth), 160);
      v128.store(to, codes(7, v, fifth), 288);
    }
    w += Q5_BLOCK;
    panel += INTEGER_BLOCK;
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

/** One token against 8 rows, straight from the bits: the sums of rows 0 … 3 at `out`, 4 … 7 behind them. */
export function oneQ5(w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  let low = f32x4.splat(0), high = low;
  for (let b = 0; b < blocks; b++) {
    const f = v128.load(w, FIFTH), h = v128.load(w, FIFTH + 16);
    let a = i32x4.splat(0), c = a, e = a, g = a;
    let v = v128.load(w, 32), u = v128.load(w, 48), t = v128.load32_splat(x, 0);
    a = dotPairs(t, codes(0, v, f), a); c = dotPairs(t, codes(0, u, h), c);
    t = v128.load32_splat(x, 16);
    e = dotPairs(t, codes(4, v, f), e); g = dotPairs(t, codes(4, u, h), g);
    v = v128.load(w, 64); u = v128.load(w, 80); t = v128.load32_splat(x, 4);
    a = dotPairs(t, codes(1, v, f), a); c = dotPairs(t, codes(1, u, h), c);
    t = v128.load32_splat(x, 20);
    e = dotPairs(t, codes(5, v, f), e); g = dotPairs(t, codes(5, u, h), g);
    v = v128.load(w, 96); u = v128.load(w, 112); t = v128.load32_splat(x, 8);
    a = dotPairs(t, codes(2, v, f), a); c = dotPairs(t, codes(2, u, h), c);
    t = v128.load32_splat(x, 24);
    e = dotPairs(t, codes(6, v, f), e); g = dotPairs(t, codes(6, u, h), g);
    v = v128.load(w, 128); u = v128.load(w, 144); t = v128.load32_splat(x, 12);
    a = dotPairs(t, codes(3, v, f), a); c = dotPairs(t, codes(3, u, h), c);
    t = v128.load32_splat(x, 28);
    e = dotPairs(t, codes(7, v, f), e); g = dotPairs(t, codes(7, u, h), g);
    const d = v128.load(w), m = v128.load(w, 16);
    const scale = v128.load32_splat(xs), sum = v128.load32_splat(xs, 4);
    low = madd(f32x4.mul(widenLow(d), scale), halvesDots(a, e), madd(widenLow(m), sum, low));
    high = madd(f32x4.mul(widenHigh(d), scale), halvesDots(c, g), madd(widenHigh(m), sum, high));
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
