// The kernel writes the pool, as words, and reads adapters from it: one read_write binding serves both.
fn adapter_bits(at: u32) -> vec4u {
  return pool[at];
}
fn adapter(at: u32) -> vec4f {
  return bitcast<vec4f>(pool[at]);
}
