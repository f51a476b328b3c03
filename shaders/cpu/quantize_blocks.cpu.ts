// Floats to int8 blocks of 32: scale = max|v| / 127, quant = round(v / scale), ties to even.

/** A block whose largest magnitude is below this counts as zeros: its scale's inverse could not be held. */
const FLUSH: f32 = 1e-30;

/** x: 32 · blocks floats; xq: as many bytes; xs: a pair (scale, scale · Σ quants) a block. */
export function quantizeBlocks(x: usize, xq: usize, xs: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    let most = f32x4.abs(v128.load(x));
    for (let i: usize = 16; i < 128; i += 16) most = f32x4.pmax(most, f32x4.abs(v128.load(x + i)));
    const pairs = f32x4.pmax(most, v128.shuffle<f32>(most, most, 2, 3, 0, 1));
    const largest = max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
    const scale: f32 = largest > FLUSH ? largest / 127 : 0;
    const inverse = f32x4.splat(largest > FLUSH ? 127 / largest : 0);
    let sums = i32x4.splat(0);
    for (let i: usize = 0; i < 32; i += 16) {
      const q0 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + 4 * i, 0), inverse)));
      const q1 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + 4 * i, 16), inverse)));
      const q2 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + 4 * i, 32), inverse)));
      const q3 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + 4 * i, 48), inverse)));
      sums = i32x4.add(sums, i32x4.add(i32x4.add(q0, q1), i32x4.add(q2, q3)));
      v128.store(xq + i, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(q0, q1), i16x8.narrow_i32x4_s(q2, q3)));
    }
    const sum = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
    store<f32>(xs, scale);
    store<f32>(xs, scale * <f32>sum, 4);
    x += 128;
    xq += 32;
    xs += 8;
  }
}

/**
 * How a kernel ends: floats [first, first + count) of x, which it has written, also as int8 blocks, where the next linear
 * layer takes those (xq is not null). `first` and `count`: multiples of 32 then.
 */
@inline
export function finish(x: usize, xq: usize, xs: usize, first: i32, count: i32): void {
  if (xq) quantizeBlocks(x + 4 * <usize>first, xq + <usize>first, xs + (<usize>first >> 2), count >> 5);
}
