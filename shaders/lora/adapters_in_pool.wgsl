// The kernel writes the pool and reads adapters from it: one read_write binding serves both.
fn adapter(at: u32) -> vec4f {
  return pool[at];
}
