// q and k are not normed.
fn qk_scale(token: u32, member: u32, row: u32, lane: u32) -> f32 {
  return 1.0;
}

fn qk_weight(member: u32, row: u32) -> f32 {
  return 1.0;
}
