// 8 rows of weights of 4 bits, unpacked to bytes, against four tokens of int8 activations: a lane a row.
// An output's bits depend on its row and its token alone: a format's path for one token must sum in the same order.
import { loadHigh, loadLow, storeRows } from "./rows.cpu";
import { dotPairs, madd, wholeDots } from "./simd.cpu";

/** Bytes of an unpacked block: 8 floats d, 8 floats m (w = d · q + m), and quants [8 words][8 rows] of 4 bytes. */
export const INTEGER_BLOCK: i32 = 320;

/**
 * Blocks of 32 columns. x0 … x3: int8 of four tokens; s0 … s3: their (scale, scale · sum); y0 … y3: their sums, which run on
 * from what y holds unless `begin`; sums: 128 bytes where they stand meanwhile, since the compiler has no registers for them
 * and spills better ones if asked to find some. Integers inside a block, which are exact, f32 across blocks.
 */
export function tileIntegers(
  panel: usize, blocks: i32, x0: usize, x1: usize, x2: usize, x3: usize,
  s0: usize, s1: usize, s2: usize, s3: usize, y0: usize, y1: usize, y2: usize, y3: usize, rows: i32, begin: bool, sums: usize,
): void {
  v128.store(sums, loadLow(y0, rows, begin), 0);
  v128.store(sums, loadHigh(y0, rows, begin), 16);
  v128.store(sums, loadLow(y1, rows, begin), 32);
  v128.store(sums, loadHigh(y1, rows, begin), 48);
  v128.store(sums, loadLow(y2, rows, begin), 64);
  v128.store(sums, loadHigh(y2, rows, begin), 80);
  v128.store(sums, loadLow(y3, rows, begin), 96);
  v128.store(sums, loadHigh(y3, rows, begin), 112);
  for (let b = 0; b < blocks; b++) {
    let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
    let w = v128.load(panel, 64), u = v128.load(panel, 80), t = v128.load32_splat(x0, 0);
    a0 = dotPairs(t, w, a0); c0 = dotPairs(t, u, c0); t = v128.load32_splat(x1, 0);
    a1 = dotPairs(t, w, a1); c1 = dotPairs(t, u, c1); t = v128.load32_splat(x2, 0);
    a2 = dotPairs(t, w, a2); c2 = dotPairs(t, u, c2); t = v128.load32_splat(x3, 0);
    a3 = dotPairs(t, w, a3); c3 = dotPairs(t, u, c3);
    w = v128.load(panel, 96); u = v128.load(panel, 112); t = v128.load32_splat(x0, 4);
    a0 = dotPairs(t, w, a0); c0 = dotPairs(t, u, c0); t = v128.load32_splat(x1, 4);
    a1 = dotPairs(t, w, a1); c1 = dotPairs(t, u, c1); t = v128.load32_splat(x2, 4);
    a2 = dotPairs(t, w, a2); c2 = dotPairs(t, u, c2); t = v128.load32_splat(x3, 4);
    a3 = dotPairs(t, w, a3); c3 = dotPairs(t, u, c3);
    w = v128.load(panel, 128); u = v128.load(panel, 144); t = v128.load32_splat(x0, 8);
    a0 = dotPairs(t, w, a0); c0 = dotPairs(t, u, c0); t = v128.load32_splat(x1, 8);
    a1 = dotPairs(t, w, a1); c1 = dotPairs(t, u, c1); t = v128.load32_splat(x2, 8);
    a2 = dotPairs(t, w, a2); c2 = dotPairs(t, u, c2); t = v128.load32_splat(x3, 8);
    a3 = dotPairs(t, w, a3); c3 = dotPairs(t, u, c3);
    w = v128.load(panel, 160); u = v128.load(panel, 176); t = v128.load32_splat(x0, 12);
    a0 = dotPairs(t, w, a0); c0 = dotPairs(t, u, c0); t = v128.load32_splat(x1, 12);
    a1 = dotPairs(t, w, a1); c1 = dotPairs(t, u, c1); t = v128.load32_splat(x2, 12);
    a2 = dotPairs(t, w, a2); c2 = dotPairs(t, u, c2); t = v128.load32_splat(x3, 12);
    a3 = dotPairs(t, w, a3); c3 = dotPairs(t, u, c3);
    w = v128.load(panel, 192); u = v128.load(panel, 208); t = v128.load32_splat(x0, 16);
    a0 = dotPairs(t, w, a0); c0 = dotPairs(t, u, c0); t = v128.load32_splat(x1, 16);
    a1 = dotPairs(t, w, a1); c1 = dotPairs(t, u, c1); t = v128.load32_splat(x2, 16);
    a2 = dotPairs(t, w, a2); c2 = dotPairs(t, u, c2); t = v128.load32_splat(x3, 16);
    a3 = dotPairs(t, w, a3); c3 = dotPairs(t, u, c3);
    w = v128.load(panel, 224); u = v128.load(panel, 240); t = v128.load32_splat(x0, 20);
    a0 = dotPairs(t, w, a0); c0 = dotPairs(t, u, c0); t = v128.load32_splat(x1, 20);
    a1 = dotPairs(t, w, a1); c1 = dotPairs(t, u, c1); t = v128.load32_splat(x2, 20);
    a2 = dotPairs(t, w, a2); c2 = dotPairs(t, u, c2); t = v128.load32_splat(x3, 20);
    a3 = dotPairs(t, w, a3); c3 = dotPairs(t, u, c3);
    w = v128.load(panel, 256); u = v128.load(panel, 272); t = v128.load32_splat(x0, 24);
    a0 = dotPairs(t, w, a0); c0 = dotPairs(t, u, c0); t = v128.load32_splat(x1, 24);
    a1 = dotPairs(t, w, a1); c1 = dotPairs(t, u, c1); t = v128.load32_splat(x2, 24);
    a2 = dotPairs(t, w, a2); c2 = dotPairs(t, u, c2); t = v128.load32_splat(x3, 24);
    a3 = dotPairs(t, w, a3); c3 = dotPairs(t, u, c3);
    w = v128.load(panel, 288); u = v128.load(panel, 304); t = v128.load32_splat(x0, 28);
    a0 = dotPairs(t, w, a0); c0 = dotPairs(t, u, c0); t = v128.load32_splat(x1, 28);
    a1 = dotPairs(t, w, a1); c1 = dotPairs(t, u, c1); t = v128.load32_splat(x2, 28);
    a2 = dotPairs(t, w, a2); c2 = dotPairs(t, u, c2); t = v128.load32_splat(x3, 28);
    a3 = dotPairs(t, w, a3); c3 = dotPairs(t, u, c3);
    const d = v128.load(panel), e = v128.load(panel, 16), m = v128.load(panel, 32), n = v128.load(panel, 48);
    let s = v128.load32_splat(s0), z = v128.load32_splat(s0, 4);
    v128.store(sums, madd(f32x4.mul(d, s), wholeDots(a0), madd(m, z, v128.load(sums, 0))), 0);
    v128.store(sums, madd(f32x4.mul(e, s), wholeDots(c0), madd(n, z, v128.load(sums, 16))), 16);
    s = v128.load32_splat(s1); z = v128.load32_splat(s1, 4);
    v128.store(sums, madd(f32x4.mul(d, s), wholeDots(a1), madd(m, z, v128.load(sums, 32))), 32);
    v128.store(sums, madd(f32x4.mul(e, s), wholeDots(c1), madd(n, z, v128.load(sums, 48))), 48);
    s = v128.load32_splat(s2); z = v128.load32_splat(s2, 4);
    v128.store(sums, madd(f32x4.mul(d, s), wholeDots(a2), madd(m, z, v128.load(sums, 64))), 64);
    v128.store(sums, madd(f32x4.mul(e, s), wholeDots(c2), madd(n, z, v128.load(sums, 80))), 80);
    s = v128.load32_splat(s3); z = v128.load32_splat(s3, 4);
    v128.store(sums, madd(f32x4.mul(d, s), wholeDots(a3), madd(m, z, v128.load(sums, 96))), 96);
    v128.store(sums, madd(f32x4.mul(e, s), wholeDots(c3), madd(n, z, v128.load(sums, 112))), 112);
    panel += INTEGER_BLOCK;
    x0 += 32; x1 += 32; x2 += 32; x3 += 32;
    s0 += 8; s1 += 8; s2 += 8; s3 += 8;
  }
  storeRows(y0, v128.load(sums, 0), v128.load(sums, 16), rows);
  storeRows(y1, v128.load(sums, 32), v128.load(sums, 48), rows);
  storeRows(y2, v128.load(sums, 64), v128.load(sums, 80), rows);
  storeRows(y3, v128.load(sums, 96), v128.load(sums, 112), rows);
}
