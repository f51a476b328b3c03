// Codes of weights, a byte each, as floats: scale · code + minimum.
import { madd } from "./simd.cpu";

/** Four columns of four rows, of which each has a word: [columns][8 rows] at `panel`. */
@inline
export function spread(words: v128, scale: v128, minimum: v128, panel: usize): void {
  const mask = i32x4.splat(0xff);
  for (let i = 0; i < 4; i++) {
    v128.store(panel, madd(scale, f32x4.convert_i32x4_s(v128.and(words, mask)), minimum));
    words = i32x4.shr_u(words, 8);
    panel += 32;
  }
}

/** 16 columns of one row. */
@inline
export function sixteen(codes: v128, scale: v128, minimum: v128, out: usize): void {
  const near = i16x8.extend_low_i8x16_u(codes), far = i16x8.extend_high_i8x16_u(codes);
  v128.store(out, madd(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(near)), minimum), 0);
  v128.store(out, madd(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(near)), minimum), 16);
  v128.store(out, madd(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(far)), minimum), 32);
  v128.store(out, madd(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(far)), minimum), 48);
}
