// The kernel writes the pool, as cells of halves, and reads adapters from it: one read_write binding serves both.
fn adapter_bits(at: u32) -> vec4u {
  return vec4u(pool[2u * at], pool[2u * at + 1u]);
}
fn adapter(at: u32) -> vec4f {
  return bitcast<vec4f>(adapter_bits(at));
}
