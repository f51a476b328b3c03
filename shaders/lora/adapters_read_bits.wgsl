// The layer's pool, where adapters lie, bound for reading as words: their factors are no floats.
@group(0) @binding(ADAPTERS_BINDING) var<storage, read> adapters: array<vec4u>;
fn adapter_bits(at: u32) -> vec4u {
  return adapters[at];
}
fn adapter(at: u32) -> vec4f {
  return bitcast<vec4f>(adapters[at]);
}
