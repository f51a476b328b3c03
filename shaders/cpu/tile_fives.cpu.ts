// 8 rows of weights of 5 bits, unpacked to bytes as tile_integers.cpu.ts reads them, against tokens of int8 activations: a lane a row.
// An output's bits depend on its row and its token alone: a format's path for one token must sum in the same order.
import { loadHigh, loadLow, storeRows } from "./rows.cpu";
import { dotPairs, madd } from "./simd.cpu";
import { INTEGER_BLOCK } from "./tile_integers.cpu";

/** The products of a block's two halves of 16 columns, summed apart in words of 16 bits (8 · 127 · 31 at most), as floats. */
@inline
export function halvesDots(first: v128, second: v128): v128 {
  const dots = i32x4.add(i32x4.extadd_pairwise_i16x8_s(first), i32x4.extadd_pairwise_i16x8_s(second));
  return f32x4.convert_i32x4_s(dots);
}

/**
 * Blocks of 32 columns. x: int8 of a token; xs: its (scale, scale · sum); y: its sums, which run on from what y holds unless
 * `begin`.
 */
export function oneFives(panel: usize, blocks: i32, x: usize, xs: usize, y: usize, rows: i32, begin: bool): void {
  let low = loadLow(y, rows, begin), high = loadHigh(y, rows, begin);
  for (let b = 0; b < blocks; b++) {
    let a = i32x4.splat(0), c = a, e = a, g = a;
    let t = v128.load32_splat(x, 0);
    a = dotPairs(t, v128.load(panel, 64), a); c = dotPairs(t, v128.load(panel, 80), c);
    t = v128.load32_splat(x, 4);
    a = dotPairs(t, v128.load(panel, 96), a); c = dotPairs(t, v128.load(panel, 112), c);
    t = v128.load32_splat(x, 8);
    a = dotPairs(t, v128.load(panel, 128), a); c = dotPairs(t, v128.load(panel, 144), c);
    t = v128.load32_splat(x, 12);
    a = dotPairs(t, v128.load(panel, 160), a); c = dotPairs(t, v128.load(panel, 176), c);
    t = v128.load32_splat(x, 16);
    e = dotPairs(t, v128.load(panel, 192), e); g = dotPairs(t, v128.load(panel, 208), g);
    t = v128.load32_splat(x, 20);
    e = dotPairs(t, v128.load(panel, 224), e); g = dotPairs(t, v128.load(panel, 240), g);
    t = v128.load32_splat(x, 24);
    e = dotPairs(t, v128.load(panel, 256), e); g = dotPairs(t, v128.load(panel, 272), g);
    t = v128.load32_splat(x, 28);
    e = dotPairs(t, v128.load(panel, 288), e); g = dotPairs(t, v128.load(panel, 304), g);
    const scale = v128.load32_splat(xs), sum = v128.load32_splat(xs, 4);
    low = madd(f32x4.mul(v128.load(panel), scale), halvesDots(a, e), madd(v128.load(panel, 32), sum, low));
    high = madd(f32x4.mul(v128.load(panel, 16), scale), halvesDots(c, g), madd(v128.load(panel, 48), sum, high));
    panel += INTEGER_BLOCK;
    x += 32;
    xs += 8;
  }
  storeRows(y, low, high, rows);
}
