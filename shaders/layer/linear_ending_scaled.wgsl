// Logits: a sum is multiplied by SCALE; where CAP is not 0 it becomes CAP · tanh(sum / CAP).
fn ended(row: u32, value: f32) -> f32 {
  let scaled = value * SCALE;
  if (CAP == 0) { return scaled; }
  // Beyond ±10, tanh is ±1 to the last bit; some drivers overflow there.
  return CAP * tanh(clamp(scaled / max(CAP, 1.0e-30), -10.0, 10.0));
}
