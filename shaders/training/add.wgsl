// Semantics: sum[t] = left[t] + right[t]. Shapes: [T, WIDTH] f32, WIDTH in whole vec4s.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < step.tokens * (WIDTH / 4)) { sum[id.x] = left[id.x] + right[id.x]; }
}
