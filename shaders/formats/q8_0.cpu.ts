// Weights of 8 bits with a scale per 32 columns (GGUF's q8_0): w = d · int8. 8.5 bits a weight.
// A block of a panel (8 rows, 32 columns): 8 halves d, then words [8][8 rows]: byte i of word j of a row is column 4j + i.
// Relaxed SIMD multiplies by 7 bits at most; two products of 16-bit words at a time are quicker than two nibbles of every
// byte, and as quick straight from the bytes, token by token, as from an unpacked panel with four tokens in registers.
import { widenHigh, widenLow, widenSplat } from "../cpu/lanes.cpu";
import { madd } from "../cpu/simd.cpu";

/** Bytes of a block of 8 rows. */
export const Q8_BLOCK: i32 = 272;

/** Bytes 0 and 2 of every four, as words. */
@inline
function evenBytes(v: v128): v128 {
  return i16x8.shr_s(i16x8.shl(v, 8), 8);
}

/** Bytes 1 and 3 of every four, as words. */
@inline
function oddBytes(v: v128): v128 {
  return i16x8.shr_s(v, 8);
}

/** sum[i] + the two products of words 2i and 2i + 1. */
@inline
function pairs(x: v128, w: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

/** Columns of 8 rows as floats: [columns][8 rows]. */
export function floatsQ8(w: usize, columns: i32, panel: usize): void {
  for (let b = 0; b < columns; b += 32) {
    const d = v128.load(w);
    const d0 = widenLow(d), d1 = widenHigh(d);
    for (let j: usize = 0; j < 8; j++) {
      let v = v128.load(w + (j << 5), 16), u = v128.load(w + (j << 5), 32);
      // Byte i of every row's word, from the lowest on: up to the word's top, and down with its sign.
      for (let i = 24; i >= 0; i -= 8) {
        v128.store(panel, f32x4.mul(d0, f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(v, i), 24))));
        v128.store(panel, f32x4.mul(d1, f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(u, i), 24))), 16);
        panel += 32;
      }
    }
    w += Q8_BLOCK;
  }
}

/** One token against 8 rows, straight from the bytes: the sums of rows 0 … 3 at `out`, 4 … 7 behind them. */
export function oneQ8(w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  let low = f32x4.splat(0), high = low;
  for (let b = 0; b < blocks; b++) {
    let a = i32x4.splat(0), c = a, even: v128, odd: v128;
    let v = v128.load(w, 16), u = v128.load(w, 32), t = v128.load32_splat(x, 0);
    even = evenBytes(t); odd = oddBytes(t);
    a = pairs(even, evenBytes(v), a); c = pairs(even, evenBytes(u), c);
    a = pairs(odd, oddBytes(v), a); c = pairs(odd, oddBytes(u), c);
    v = v128.load(w, 48); u = v128.load(w, 64); t = v128.load32_splat(x, 4);
    even = evenBytes(t); odd = oddBytes(t);
    a = pairs(even, evenBytes(v), a); c = pairs(even, evenBytes(u), c);
    a = pairs(odd, oddBytes(v), a); c = pairs(odd, oddBytes(u), c);
    v = v128.load(w, 80); u = v128.load(w, 96); t = v128.load32_splat(x, 8);
    even = evenBytes(t); odd = oddBytes(t);
    a = pairs(even, evenBytes(v), a); c = pairs(even, evenBytes(u), c);
    a = pairs(odd, oddBytes(v), a); c = pairs(odd, oddBytes(u), c);
    v = v128.load(w, 112); u = v128.load(w, 128); t = v128.load32_splat(x, 12);
    even = evenBytes(t); odd = oddBytes(t);
    a = pairs(even, evenBytes(v), a); c = pairs(even, evenBytes(u), c);
    a = pairs(odd, oddBytes(v), a); c = pairs(odd, oddBytes(u), c);
    v = v128.load(w, 144); u = v128.load(w, 160); t = v128.load32_splat(x, 16);
    even = evenBytes(t); odd = oddBytes(t);
    a = pairs(even, evenBytes(v), a); c = pairs(even, evenBytes(u), c);
    a = pairs(odd, oddBytes(v), a); c = pairs(odd, oddBytes(u), c);
    v = v128.load(w, 176); u = v128.load(w, 192); t = v128.load32_splat(x, 20);
    even = evenBytes(t); odd = oddBytes(t);
    a = pairs(even, evenBytes(v), a); c = pairs(even, evenBytes(u), c);
    a = pairs(odd, oddBytes(v), a); c = pairs(odd, oddBytes(u), c);
    v = v128.load(w, 208); u = v128.load(w, 224); t = v128.load32_splat(x, 24);
    even = evenBytes(t); odd = oddBytes(t);
    a = pairs(even, evenBytes(v), a); c = pairs(even, evenBytes(u), c);
    a = pairs(odd, oddBytes(v), a); c = pairs(odd, oddBytes(u), c);
    v = v128.load(w, 240); u = v128.load(w, 256); t = v128.load32_splat(x, 28);
    even = evenBytes(t); odd = oddBytes(t);
    a = pairs(even, evenBytes(v), a); c = pairs(even, evenBytes(u), c);
    a = pairs(odd, oddBytes(v), a); c = pairs(odd, oddBytes(u), c);
    const d = v128.load(w), scale = v128.load32_splat(xs);
    low = madd(f32x4.mul(widenLow(d), scale), f32x4.convert_i32x4_s(a), low);
    high = madd(f32x4.mul(widenHigh(d), scale), f32x4.convert_i32x4_s(c), high);
    w += Q8_BLOCK;
    x += 32;
    xs += 8;
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** One row of a panel as floats. `lane`: which of its 8. */
export function rowQ8(w: usize, lane: usize, columns: i32, out: usize): void {
  for (let b = 0; b < columns; b += 32) {
    const d = widenSplat(w + 2 * lane);
    for (let j: usize = 0; j < 8; j++) {
      const bytes = v128.load32_zero(w + (j << 5) + 4 * lane, 16);
      const v = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes)));
      v128.store(out + (j << 4), f32x4.mul(d, v));
    }
    w += Q8_BLOCK;
    out += 128;
  }
}
