// Nothing is chosen: there is one matrix.
fn expert_of(slot: u32) -> u32 {
  return 0u;
}
