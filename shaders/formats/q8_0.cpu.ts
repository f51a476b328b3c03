// Weights of 8 bits with a scale per 32 columns (GGUF's q8_0): w = d · (byte − 128). 8.5 bits a weight.
// A block of a panel (8 rows, 32 columns): 8 halves d, then words [8][8 rows]: byte i of word j of a row is column 4j + i.
// The bytes meet int8 activations as two nibbles, 16 · high + low: relaxed SIMD multiplies by 7 bits at most.
import { widenHigh, widenLow, widenSplat } from "../cpu/lanes.cpu";
import { dot, madd } from "../cpu/simd.cpu";

/** Bytes of a block of 8 rows. */
export const Q8_BLOCK: i32 = 272;
/** Planes of 7-bit numbers that `unpackQ8` makes: the high nibbles, worth 16, then the low ones. */
export const Q8_PLANES: i32 = 2;
/** What bytes are above the number they stand for. */
const OFFSET: f32 = 128;

/** Blocks to the panel that tile.cpu.ts reads: 8 floats d, 8 floats m, two planes. */
export function unpackQ8(w: usize, blocks: i32, panel: usize): void {
  const mask = i8x16.splat(15), offset = f32x4.splat(-OFFSET);
  for (let b = 0; b < blocks; b++) {
    const d = v128.load(w);
    const d0 = widenLow(d), d1 = widenHigh(d);
    v128.store(panel, d0);
    v128.store(panel, d1, 16);
    v128.store(panel, f32x4.mul(d0, offset), 32);
    v128.store(panel, f32x4.mul(d1, offset), 48);
    for (let i: usize = 0; i < 256; i += 16) {
      const v = v128.load(w + i, 16);
      v128.store(panel + i, i8x16.shr_u(v, 4), 64);
      v128.store(panel + i, v128.and(v, mask), 320);
    }
    w += Q8_BLOCK;
    panel += 576;
  }
}

/** Columns of 8 rows as floats: [columns][8 rows]. */
export function floatsQ8(w: usize, columns: i32, panel: usize): void {
  const mask = i32x4.splat(255), offset = f32x4.splat(OFFSET);
  for (let b = 0; b < columns; b += 32) {
    const d = v128.load(w);
    const d0 = widenLow(d), d1 = widenHigh(d);
    for (let j: usize = 0; j < 8; j++) {
      let v = v128.load(w + (j << 5), 16), u = v128.load(w + (j << 5), 32);
      for (let i = 0; i < 4; i++) {
        v128.store(panel, f32x4.mul(d0, f32x4.sub(f32x4.convert_i32x4_s(v128.and(v, mask)), offset)));
        v128.store(panel, f32x4.mul(d1, f32x4.sub(f32x4.convert_i32x4_s(v128.and(u, mask)), offset)), 16);
        v = i32x4.shr_u(v, 8);
        u = i32x4.shr_u(u, 8);
        panel += 32;
      }
    }
    w += Q8_BLOCK;
  }
}

/** One token against 8 rows, straight from the bytes: the sums of rows 0 … 3 at `out`, 4 … 7 behind them. */
export function oneQ8(w: usize, blocks: i32, x: usize, xs: usize, out: usize): void {
  const mask = i8x16.splat(15), offset = f32x4.splat(-OFFSET);
  let low = f32x4.splat(0), high = low;
  for (let b = 0; b < blocks; b++) {
    let a = i32x4.splat(0), c = a, e = a, g = a;
    let v = v128.load(w, 16), u = v128.load(w, 32), t = v128.load32_splat(x, 0);
    a = dot(t, v128.and(v, mask), a);
    c = dot(t, v128.and(u, mask), c);
    e = dot(t, i8x16.shr_u(v, 4), e);
    g = dot(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 48);
    u = v128.load(w, 64);
    t = v128.load32_splat(x, 4);
    a = dot(t, v128.and(v, mask), a);
    c = dot(t, v128.and(u, mask), c);
    e = dot(t, i8x16.shr_u(v, 4), e);
    g = dot(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 80);
    u = v128.load(w, 96);
    t = v128.load32_splat(x, 8);
    a = dot(t, v128.and(v, mask), a);
    c = dot(t, v128.and(u, mask), c);
    e = dot(t, i8x16.shr_u(v, 4), e);
    g = dot(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 112);
    u = v128.load(w, 128);
    t = v128.load32_splat(x, 12);
    a = dot(t, v128.and(v, mask), a);
    c = dot(t, v128.and(u, mask), c);
    e = dot(t, i8x16.shr_u(v, 4), e);
    g = dot(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 144);
    u = v128.load(w, 160);
    t = v128.load32_splat(x, 16);
    a = dot(t, v128.and(v, mask), a);
    c = dot(t, v128.and(u, mask), c);
    e = dot(t, i8x16.shr_u(v, 4), e);
    g = dot(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 176);
    u = v128.load(w, 192);
    t = v128.load32_splat(x, 20);
    a = dot(t, v128.and(v, mask), a);
    c = dot(t, v128.and(u, mask), c);
    e = dot(t, i8x16.shr_u(v, 4), e);
    g = dot(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 208);
    u = v128.load(w, 224);
    t = v128.load32_splat(x, 24);
    a = dot(t, v128.and(v, mask), a);
    c = dot(t, v128.and(u, mask), c);
    e = dot(t, i8x16.shr_u(v, 4), e);
    g = dot(t, i8x16.shr_u(u, 4), g);
    v = v128.load(w, 240);
    u = v128.load(w, 256);
    t = v128.load32_splat(x, 28);
    a = dot(t, v128.and(v, mask), a);
    c = dot(t, v128.and(u, mask), c);
    e = dot(t, i8x16.shr_u(v, 4), e);
    g = dot(t, i8x16.shr_u(u, 4), g);
    const d = v128.load(w), d0 = widenLow(d), d1 = widenHigh(d);
    const scale = v128.load32_splat(xs), sum = v128.load32_splat(xs, 4);
    const whole0 = f32x4.convert_i32x4_s(i32x4.add(i32x4.shl(e, 4), a));
    const whole1 = f32x4.convert_i32x4_s(i32x4.add(i32x4.shl(g, 4), c));
    low = madd(f32x4.mul(d0, scale), whole0, madd(f32x4.mul(d0, offset), sum, low));
    high = madd(f32x4.mul(d1, scale), whole1, madd(f32x4.mul(d1, offset), sum, high));
    w += Q8_BLOCK;
    x += 32;
    xs += 8;
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** One row of a panel as floats. `lane`: which of its 8. */
export function rowQ8(w: usize, lane: usize, columns: i32, out: usize): void {
  const offset = f32x4.splat(OFFSET);
  for (let b = 0; b < columns; b += 32) {
    const d = widenSplat(w + 2 * lane);
    for (let j: usize = 0; j < 8; j++) {
      const bytes = v128.load32_zero(w + (j << 5) + 4 * lane, 16);
      const v = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)));
      v128.store(out + (j << 4), f32x4.mul(d, f32x4.sub(v, offset)));
    }
    w += Q8_BLOCK;
    out += 128;
  }
}
