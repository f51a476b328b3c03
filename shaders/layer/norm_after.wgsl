// The weight of the norm behind a block, [HIDDEN].
@group(0) @binding(AFTER_BINDING) var<storage, read> after: array<vec4f>;

fn after_weight(i: u32) -> vec4f {
  return after[i];
}
