// 8 rows of weights of up to 6 bits in groups of 16 columns, unpacked to bytes, against tokens of int8 activations: a lane a row.
// An output's bits depend on its row and its token alone: a format's path for one token must sum in the same order.
import { wholeBytes } from "./lanes.cpu";
import { loadHigh, loadLow, storeRows } from "./rows.cpu";
import { dotPairs, madd } from "./simd.cpu";

/** Bytes of an unpacked block of 32 columns. Each of two groups: 8 floats d, 8 floats m (w = d · q + m), quants [4 words][8 rows]. */
export const GROUPS_BLOCK: i32 = 384;

/**
 * Blocks of 32 columns. x: int8 of a token; xs: its (scale, scale · sum); y: its sums, which run on from what y holds unless
 * `begin`. Two words add up to 2 · 2 · 127 · 63 at most, which 16 bits hold.
 */
export function oneGroups(panel: usize, blocks: i32, x: usize, xs: usize, y: usize, rows: i32, begin: bool): void {
  const zero = i32x4.splat(0);
  let low = loadLow(y, rows, begin), high = loadHigh(y, rows, begin);
  for (let g = 0; g < 2 * blocks; g++) {
    const t0 = v128.load32_splat(x, 0), t1 = v128.load32_splat(x, 4), t2 = v128.load32_splat(x, 8), t3 = v128.load32_splat(x, 12);
    const scale = v128.load32_splat(xs), sum = f32x4.mul(scale, wholeBytes(v128.load(x)));
    const a = dotPairs(t1, v128.load(panel, 96), dotPairs(t0, v128.load(panel, 64), zero));
    const c = dotPairs(t3, v128.load(panel, 160), dotPairs(t2, v128.load(panel, 128), zero));
    const dots0 = i32x4.add(i32x4.extadd_pairwise_i16x8_s(a), i32x4.extadd_pairwise_i16x8_s(c));
    const f = dotPairs(t1, v128.load(panel, 112), dotPairs(t0, v128.load(panel, 80), zero));
    const k = dotPairs(t3, v128.load(panel, 176), dotPairs(t2, v128.load(panel, 144), zero));
    const dots1 = i32x4.add(i32x4.extadd_pairwise_i16x8_s(f), i32x4.extadd_pairwise_i16x8_s(k));
    low = madd(v128.load(panel, 32), sum, low);
    high = madd(v128.load(panel, 48), sum, high);
    low = madd(f32x4.mul(v128.load(panel), scale), f32x4.convert_i32x4_s(dots0), low);
    high = madd(f32x4.mul(v128.load(panel, 16), scale), f32x4.convert_i32x4_s(dots1), high);
    panel += GROUPS_BLOCK >> 1;
    x += 16;
    xs += <usize>(g & 1) << 3;
  }
  storeRows(y, low, high, rows);
}
