// What the two builds of the CPU bodies differ in: with relaxed SIMD (RELAXED = 1, a constant of the build) and without.

/**
 * sum[i] + the products of bytes 2i and 2i + 1, in words of 16 bits. x: int8 from −127 on; w: 0 … 15. A block of 32 columns
 * of 4-bit weights adds up to 8 · 2 · 127 · 15 at most, which a word holds: it is exact, and the same in both builds.
 * (The dot product that adds into 32 bits is one instruction where a processor has VNNI, but five in V8 where it has not;
 * in the baseline compiler of Node 20 it is wrong.)
 */
@inline
export function dotPairs(x: v128, w: v128, sum: v128): v128 {
  if (RELAXED) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, w));
  const even = i16x8.mul(i16x8.shr_s(i16x8.shl(x, 8), 8), v128.and(w, i16x8.splat(0xff)));
  const odd = i16x8.mul(i16x8.shr_s(x, 8), i16x8.shr_u(w, 8));
  return i16x8.add(sum, i16x8.add(even, odd));
}

/** The words of `dotPairs`, two and two, as floats. */
@inline
export function wholeDots(sums: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(sums));
}

/** a · b + c, rounded once where the processor has it. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (RELAXED) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
