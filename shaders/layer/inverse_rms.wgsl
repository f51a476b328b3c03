// RMSNorm's scale, given the mean of squares. A mean that overflowed would make zeros of the row, 1/∞, and a token of them: its
// bits make a NaN, which stays one.
fn inverse_rms_of(mean: f32) -> f32 {
  let lost = select(0u, 0x7fc00000u, (bitcast<u32>(mean) & 0x7f800000u) == 0x7f800000u);
  return bitcast<f32>(bitcast<u32>(inverseSqrt(mean + EPS)) | lost);
}
