// Semantics: db[r] += Σ_t dy[t, r]   (the gradient of y = W x + b for b, over the step's tokens)
// Shapes: dy [T, ROWS], db [ROWS] f32. Thread: one r.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> db: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ROWS) { return; }
  var sum = 0.0;
  for (var t = 0u; t < step.tokens; t++) { sum += dy[t * ROWS + id.x]; }
  db[id.x] += sum;
}
