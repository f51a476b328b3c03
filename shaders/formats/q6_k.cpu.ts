// Weights of 6 bits with a scale and a minimum per 16 columns, whole numbers of 8 bits, times two halves per 128 (GGUF's q2_k,
// q3_k, q5_k and q6_k): w = (d · s) · code + e · m. 7.25 bits a weight.
// A block of a panel (8 rows, 128 columns): 8 halves d, 8 halves e, bytes s [8][8 rows], bytes m [8][8 rows], then 16 columns a
// time words [3][8 rows]: of word j < 2 of a row, byte i holds the low bits of columns 4j + i (low nibble) and 8 + 4j + i; of word
// 2, byte i holds the upper two bits of columns i, 4 + i, 8 + i and 12 + i, from the lowest bits on.
import { sixteen, spread } from "../cpu/codes.cpu";
import { bytesHigh, bytesLow, byteSplat, wholeBytes, widenHigh, widenLow, widenSplat } from "../cpu/lanes.cpu";
import { dotPairs, madd } from "../cpu/simd.cpu";
import { GROUPS_BLOCK } from "../cpu/tile_groups.cpu";

/** Bytes of a block of 8 rows. */
export const Q6K_BLOCK: i32 = 928;
/** From scales to minima. */
const MINIMA: usize = 64;
/** Where the words begin, and those of a group. */
const WORDS: usize = 160;
const GROUP: usize = 96;

/** Codes of columns 4 · row … 4 · row + 3 of four rows of weights, from the word that has their nibbles and that of upper bits. */
@inline
function codes(row: i32, nibbles: v128, upper: v128): v128 {
  const low = v128.and(row < 2 ? nibbles : i32x4.shr_u(nibbles, 4), i8x16.splat(15));
  return v128.or(low, v128.and(row < 3 ? i32x4.shl(upper, 4 - 2 * row) : i32x4.shr_u(upper, 2), i8x16.splat(0x30)));
}

/** Blocks of 32 columns, whole ones of 128, to the panel that cpu/tile_groups.cpu.ts reads. */
export function unpackQ6K(w: usize, blocks: i32, panel: usize): void {
  for (let b = 0; b < blocks; b += 4) {
    const d = v128.load(w), e = v128.load(w, 16);
    const d0 = widenLow(d), d1 = widenHigh(d), e0 = widenLow(e), e1 = widenHigh(e);
    for (let g: usize = 0; g < 8; g++) {
      const s = w + 32 + (g << 3), words = w + WORDS + g * GROUP;
      v128.store(panel, f32x4.mul(d0, bytesLow(s)));
      v128.store(panel, f32x4.mul(d1, bytesHigh(s)), 16);
      v128.store(panel, f32x4.mul(e0, bytesLow(s + MINIMA)), 32);
      v128.store(panel, f32x4.mul(e1, bytesHigh(s + MINIMA)), 48);
      for (let rows: usize = 0; rows < 32; rows += 16) {
        const u = v128.load(words + rows), v = v128.load(words + rows, 32), h = v128.load(words + rows, 64);
        v128.store(panel + rows, codes(0, u, h), 64);
        v128.store(panel + rows, codes(1, v, h), 96);
        v128.store(panel + rows, codes(2, u, h), 128);
        v128.store(panel + rows, codes(3, v, h), 160);
      }
      panel += GROUPS_BLOCK >> 1;
    }
    w += Q6K_BLOCK;
  }
}

/** Columns [first, first + columns) of 8 rows as floats, [columns][8 rows]; whole groups of 16. `w`: column 0. */
export function floatsQ6K(w: usize, first: i32, columns: i32, panel: usize): void {
  w += <usize>(first >> 7) * Q6K_BLOCK;
  for (let c = first; c < first + columns; c += 16) {
    const g = <usize>(c >> 4 & 7), s = w + 32 + (g << 3), words = w + WORDS + g * GROUP;
    const d = v128.load(w), e = v128.load(w, 16);
    for (let rows: usize = 0; rows < 32; rows += 16) {
      const scale = f32x4.mul(rows ? widenHigh(d) : widenLow(d), rows ? bytesHigh(s) : bytesLow(s));
      const minimum = f32x4.mul(rows ? widenHigh(e) : widenLow(e), rows ? bytesHigh(s + MINIMA) : bytesLow(s + MINIMA));
      const u = v128.load(words + rows), v = v128.load(words + rows, 32), h = v128.load(words + rows, 64);
      spread(codes(0, u, h), scale, minimum, panel + rows);
      spread(codes(1, v, h), scale, minimum, panel + rows + 128);
      spread(codes(2, u, h), scale, minimum, panel + rows + 256);
      spread(codes(3, v, h), scale, minimum, panel + rows + 384);
    }
    if (g == 7) w += Q6K_BLOCK;
    panel += 512;
  }
}

/** One token against 8 rows, straight from the bits: the sums of rows 0 … 3 at `out`, 4 … 7 behind them. */
export function oneQ6K(w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  const zero = i32x4.splat(0);
  let low = f32x4.splat(0), high = low;
  for (let b = 0; b < blocks; b += 4) {
    const d = v128.load(w), e = v128.load(w, 16);
    const d0 = widenLow(d), d1 = widenHigh(d), e0 = widenLow(e), e1 = widenHigh(e);
    let s = w + 32;
    w += WORDS;
    for (let g = 0; g < 8; g++) {
      const t0 = v128.load32_splat(x, 0), t1 = v128.load32_splat(x, 4), t2 = v128.load32_splat(x, 8), t3 = v128.load32_splat(x, 12);
      const scale = v128.load32_splat(xs), sum = f32x4.mul(scale, wholeBytes(v128.load(x)));
      let u = v128.load(w, 0), v = v128.load(w, 32), h = v128.load(w, 64);
      const a = dotPairs(t1, codes(1, v, h), dotPairs(t0, codes(0, u, h), zero));
      const c = dotPairs(t3, codes(3, v, h), dotPairs(t2, codes(2, u, h), zero));
      const dots0 = i32x4.add(i32x4.extadd_pairwise_i16x8_s(a), i32x4.extadd_pairwise_i16x8_s(c));
      u = v128.load(w, 16); v = v128.load(w, 48); h = v128.load(w, 80);
      const f = dotPairs(t1, codes(1, v, h), dotPairs(t0, codes(0, u, h), zero));
      const k = dotPairs(t3, codes(3, v, h), dotPairs(t2, codes(2, u, h), zero));
      const dots1 = i32x4.add(i32x4.extadd_pairwise_i16x8_s(f), i32x4.extadd_pairwise_i16x8_s(k));
      low = madd(f32x4.mul(e0, bytesLow(s + MINIMA)), sum, low);
      high = madd(f32x4.mul(e1, bytesHigh(s + MINIMA)), sum, high);
      low = madd(f32x4.mul(f32x4.mul(d0, bytesLow(s)), scale), f32x4.convert_i32x4_s(dots0), low);
      high = madd(f32x4.mul(f32x4.mul(d1, bytesHigh(s)), scale), f32x4.convert_i32x4_s(dots1), high);
      w += GROUP;
      s += 8;
      x += 16;
      xs += <usize>(g & 1) << 3;
    }
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** One row of a panel as floats. `lane`: which of its 8. */
export function rowQ6K(w: usize, lane: usize, columns: i32, out: usize): void {
  const mask = i8x16.splat(15);
  for (let c = 0; c < columns; c += 128) {
    const d = widenSplat(w + 2 * lane), e = widenSplat(w + 16 + 2 * lane);
    for (let g: usize = 0; g < 8; g++) {
      const s = w + 32 + (g << 3) + lane, words = w + WORDS + g * GROUP + 4 * lane;
      const scale = f32x4.mul(d, byteSplat(s)), minimum = f32x4.mul(e, byteSplat(s + MINIMA));
      const u = load<u32>(words), v = load<u32>(words, 32), h = load<u32>(words, 64);
      // The 16 codes side by side, a word for each row of four columns.
      const nibbles = v128.and(i32x4(u, v, u >> 4, v >> 4), mask);
      const upper = v128.and(i32x4(h << 4, h << 2, h, h >> 2), i8x16.splat(0x30));
      sixteen(v128.or(nibbles, upper), scale, minimum, out);
      out += 64;
    }
    w += Q6K_BLOCK;
  }
}
