// Sums and extremes across the lanes of a vector, in one order, and halves widened to floats.

/** ((0 + 1) + (2 + 3)) */
@inline
export function across(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** Largest lane; lanes must not be NaN. */
@inline
export function highest(v: v128): f32 {
  const pairs = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Lane i: the lanes of the i-th vector summed, (0 + 1) + (2 + 3). */
@inline
export function acrossFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 2, 4, 6), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 2, 4, 6), v128.shuffle<f32>(c, d, 1, 3, 5, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 2, 4, 6), v128.shuffle<f32>(ab, cd, 1, 3, 5, 7));
}

/** Four halves, sign-extended to words, as floats. Infinities and NaNs are not looked for: weights have none. */
@inline
function widened(halves: v128): v128 {
  // Sign and the other bits to their places; the exponent's bias by a factor, which serves subnormal halves too.
  const placed = v128.and(i32x4.shl(halves, 13), i32x4.splat(<i32>0x8fffffff));
  return f32x4.mul(placed, f32x4.splat(5.192296858534828e33));
}

/** Of eight halves, the first four as floats. */
@inline
export function widenLow(halves: v128): v128 {
  return widened(i32x4.extend_low_i16x8_s(halves));
}

/** Of eight halves, the last four as floats. */
@inline
export function widenHigh(halves: v128): v128 {
  return widened(i32x4.extend_high_i16x8_s(halves));
}

/** One half in memory as a float, in every lane. */
@inline
export function widenSplat(at: usize): v128 {
  return widenLow(v128.load16_splat(at));
}

/** Signed bytes 0 … 3 of the eight at `at` as floats. */
@inline
export function bytesLow(at: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v128.load8x8_s(at)));
}

/** Signed bytes 4 … 7. */
@inline
export function bytesHigh(at: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(v128.load8x8_s(at)));
}

/** One signed byte in memory as a float, in every lane. */
@inline
export function byteSplat(at: usize): v128 {
  return f32x4.splat(<f32>load<i8>(at));
}

/** The sum of 16 signed bytes as a float, in every lane. */
@inline
export function wholeBytes(v: v128): v128 {
  const fours = i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v));
  const twos = i32x4.add(fours, v128.shuffle<i32>(fours, fours, 2, 3, 0, 1));
  return f32x4.convert_i32x4_s(i32x4.add(twos, v128.shuffle<i32>(twos, twos, 1, 0, 3, 2)));
}

/** Four floats to the nearest halves, ties to even, in words; beyond ±65504 the largest half. */
@inline
function narrowed(v: v128): v128 {
  const u = f32x4.min(f32x4.abs(v), f32x4.splat(65504));
  const normal = i32x4.shr_u(i32x4.add(i32x4.sub(u, i32x4.splat(0x37fff001)), v128.and(i32x4.shr_u(u, 13), i32x4.splat(1))), 13);
  // Below 2^-14 a half's step is that of floats from 1/2 on.
  const small = i32x4.sub(f32x4.add(u, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const half = v128.bitselect(small, normal, i32x4.lt_s(u, i32x4.splat(0x38800000)));
  return v128.or(half, v128.and(i32x4.shr_u(v, 16), i32x4.splat(0x8000)));
}

/** Eight floats to halves. */
@inline
export function narrow(low: v128, high: v128): v128 {
  return i16x8.narrow_i32x4_u(narrowed(low), narrowed(high));
}
