// No norm behind a block.
fn after_weight(i: u32) -> vec4f {
  return vec4f(1.0);
}
