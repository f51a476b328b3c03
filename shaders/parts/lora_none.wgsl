// A step without adapters: no delta, no bindings.
fn lora_delta(token: u32, member: u32, row: u32) -> f32 {
  return 0.0;
}
