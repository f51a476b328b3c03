// Semantics: dy[t] ← dy[t] · silu'(x[t]), silu'(x) = σ(x) (1 + x (1 − σ(x))). Shapes: [T, WIDTH] f32, WIDTH in whole vec4s.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dy: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.tokens * (WIDTH / 4)) { return; }
  let s = 1.0 / (1.0 + exp(-x[id.x]));
  dy[id.x] *= s * (1.0 + x[id.x] * (1.0 - s));
}
