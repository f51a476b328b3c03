// 8 rows of weights of 8 bits, widened to words of 16, against four tokens of int8 activations, widened too: a lane a row.
// Relaxed SIMD multiplies by 7 bits at most; two products of words at a time are quicker than two nibbles of every byte.
// An output's bits depend on its row and its token alone: a format's path for one token must sum in the same order.
import { loadHigh, loadLow, storeRows } from "./rows.cpu";
import { madd } from "./simd.cpu";

/** Bytes of an unpacked block: 8 floats d (w = d · q), and quants [8][columns 4j and 4j + 2, then the odd][8 rows] in pairs. */
export const WORD_BLOCK: i32 = 544;

/** sum[i] + the two products of words 2i and 2i + 1. */
@inline
export function pairs(x: v128, w: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

/** Bytes 0 and 2 of every four, as words. */
@inline
export function evenBytes(v: v128): v128 {
  return i16x8.shr_s(i16x8.shl(v, 8), 8);
}

/** Bytes 1 and 3 of every four, as words. */
@inline
export function oddBytes(v: v128): v128 {
  return i16x8.shr_s(v, 8);
}

/** int8 activations as `tileWords` reads them: of every 16, the even ones, then the odd ones. */
export function widenActivations(x: usize, count: i32, out: usize): void {
  for (let k = 0; k < count; k += 16) {
    const v = v128.load(x);
    v128.store(out, evenBytes(v));
    v128.store(out, oddBytes(v), 16);
    x += 16;
    out += 32;
  }
}

/**
 * Blocks of 32 columns. x0 … x3: widened activations of four tokens; s0 … s3: their (scale, -); y0 … y3: their sums, which
 * run on from what y holds unless `begin`. Integers inside a block, which are exact, f32 across blocks.
 */
export function tileWords(
  panel: usize, blocks: i32, x0: usize, x1: usize, x2: usize, x3: usize,
  s0: usize, s1: usize, s2: usize, s3: usize, y0: usize, y1: usize, y2: usize, y3: usize, rows: i32, begin: bool,
): void {
  let f0 = loadLow(y0, rows, begin), f1 = loadLow(y1, rows, begin), f2 = loadLow(y2, rows, begin), f3 = loadLow(y3, rows, begin);
  let g0 = loadHigh(y0, rows, begin), g1 = loadHigh(y1, rows, begin), g2 = loadHigh(y2, rows, begin), g3 = loadHigh(y3, rows, begin);
  for (let b = 0; b < blocks; b++) {
    let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
    let w = v128.load(panel, 32), u = v128.load(panel, 48), t = v128.load32_splat(x0, 0);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 0);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 0);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 0);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 64); u = v128.load(panel, 80); t = v128.load32_splat(x0, 16);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 16);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 16);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 16);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 96); u = v128.load(panel, 112); t = v128.load32_splat(x0, 4);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 4);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 4);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 4);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 128); u = v128.load(panel, 144); t = v128.load32_splat(x0, 20);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 20);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 20);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 20);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 160); u = v128.load(panel, 176); t = v128.load32_splat(x0, 8);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 8);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 8);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 8);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 192); u = v128.load(panel, 208); t = v128.load32_splat(x0, 24);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 24);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 24);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 24);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 224); u = v128.load(panel, 240); t = v128.load32_splat(x0, 12);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 12);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 12);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 12);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 256); u = v128.load(panel, 272); t = v128.load32_splat(x0, 28);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 28);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 28);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 28);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 288); u = v128.load(panel, 304); t = v128.load32_splat(x0, 32);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 32);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 32);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 32);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 320); u = v128.load(panel, 336); t = v128.load32_splat(x0, 48);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 48);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 48);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 48);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 352); u = v128.load(panel, 368); t = v128.load32_splat(x0, 36);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 36);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 36);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 36);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 384); u = v128.load(panel, 400); t = v128.load32_splat(x0, 52);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 52);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 52);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 52);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 416); u = v128.load(panel, 432); t = v128.load32_splat(x0, 40);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 40);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 40);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 40);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 448); u = v128.load(panel, 464); t = v128.load32_splat(x0, 56);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 56);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 56);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 56);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 480); u = v128.load(panel, 496); t = v128.load32_splat(x0, 44);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 44);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 44);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 44);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    w = v128.load(panel, 512); u = v128.load(panel, 528); t = v128.load32_splat(x0, 60);
    a0 = pairs(t, w, a0); c0 = pairs(t, u, c0); t = v128.load32_splat(x1, 60);
    a1 = pairs(t, w, a1); c1 = pairs(t, u, c1); t = v128.load32_splat(x2, 60);
    a2 = pairs(t, w, a2); c2 = pairs(t, u, c2); t = v128.load32_splat(x3, 60);
    a3 = pairs(t, w, a3); c3 = pairs(t, u, c3);
    const d = v128.load(panel), e = v128.load(panel, 16);
    let s = v128.load32_splat(s0);
    f0 = madd(f32x4.mul(d, s), f32x4.convert_i32x4_s(a0), f0);
    g0 = madd(f32x4.mul(e, s), f32x4.convert_i32x4_s(c0), g0);
    s = v128.load32_splat(s1);
    f1 = madd(f32x4.mul(d, s), f32x4.convert_i32x4_s(a1), f1);
    g1 = madd(f32x4.mul(e, s), f32x4.convert_i32x4_s(c1), g1);
    s = v128.load32_splat(s2);
    f2 = madd(f32x4.mul(d, s), f32x4.convert_i32x4_s(a2), f2);
    g2 = madd(f32x4.mul(e, s), f32x4.convert_i32x4_s(c2), g2);
    s = v128.load32_splat(s3);
    f3 = madd(f32x4.mul(d, s), f32x4.convert_i32x4_s(a3), f3);
    g3 = madd(f32x4.mul(e, s), f32x4.convert_i32x4_s(c3), g3);
    panel += WORD_BLOCK;
    x0 += 64; x1 += 64; x2 += 64; x3 += 64;
    s0 += 8; s1 += 8; s2 += 8; s3 += 8;
  }
  storeRows(y0, f0, g0, rows);
  storeRows(y1, f1, g1, rows);
  storeRows(y2, f2, g2, rows);
  storeRows(y3, f3, g3, rows);
}
