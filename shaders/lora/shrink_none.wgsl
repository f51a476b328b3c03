// No LoRA rows ride along.
fn shrink(group: u32, token0: u32, lane: u32) {}
