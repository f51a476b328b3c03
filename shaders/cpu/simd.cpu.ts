// What the two builds of the CPU bodies differ in: with relaxed SIMD (RELAXED = 1, a constant of the build) and without.

/**
 * sum[i] + Σ of the four products of bytes 4i … 4i+3. x: int8; w: 0 … 127 (relaxed SIMD promises no more).
 * Exact, and so the same in both builds.
 */
@inline
export function dot(x: v128, w: v128, sum: v128): v128 {
  if (RELAXED) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, sum);
  const even = i32x4.dot_i16x8_s(i16x8.shr_s(i16x8.shl(x, 8), 8), v128.and(w, i16x8.splat(0xff)));
  const odd = i32x4.dot_i16x8_s(i16x8.shr_s(x, 8), i16x8.shr_u(w, 8));
  return i32x4.add(sum, i32x4.add(even, odd));
}

/** a · b + c, rounded once where the processor has it. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (RELAXED) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
