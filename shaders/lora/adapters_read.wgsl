// The layer's pool, where adapters lie, bound for reading.
@group(0) @binding(ADAPTERS_BINDING) var<storage, read> adapters: array<vec4f>;
fn adapter(at: u32) -> vec4f {
  return adapters[at];
}
