// Semantics: partials[i] = a part of Σ values², so that their sum is the whole; few enough for the host to add up.
// Shapes: values [COUNT] f32, COUNT a multiple of 4; partials [PARTIALS]. One thread a partial.
@group(0) @binding(0) var<storage, read> values: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = 0.0;
  for (var i = id.x; i < COUNT / 4; i += PARTIALS) {
    sum += dot(values[i], values[i]);
  }
  partials[id.x] = sum;
}
