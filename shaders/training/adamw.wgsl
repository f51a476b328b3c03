// Semantics: one step of AdamW on every element p of `values`, with its gradient g times SCALE (clipping):
//   p ← p − rate · decay · p;  m ← β1 m + (1 − β1) g;  v ← β2 v + (1 − β2) g²
//   p ← p − rate · (m / c1) / (√(v / c2) + ε)   with c = 1 − β^step
// Shapes: all [COUNT] f32, COUNT a multiple of 4. Source: Loshchilov & Hutter 2019, algorithm 2, as PyTorch computes it.
@group(0) @binding(0) var<uniform> rule: Rule;
@group(0) @binding(1) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> values: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> means: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> squares: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < COUNT / 4; i += groups.x * 64u) {
    let g = gradients[i] * rule.scale;
    let m = rule.beta1 * means[i] + (1.0 - rule.beta1) * g;
    let v = rule.beta2 * squares[i] + (1.0 - rule.beta2) * g * g;
    means[i] = m;
    squares[i] = v;
    let step = m / rule.correction1 / (sqrt(v / rule.correction2) + rule.epsilon);
    values[i] = values[i] * (1.0 - rule.rate * rule.decay) - rule.rate * step;
  }
}
