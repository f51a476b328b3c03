// Semantics: load[e] = (f_e, P_e): the share of the step's kept experts that are e, and the mean of p_e over its tokens.
// Switch's load-balancing loss is E · Σ f_e P_e (Fedus et al. 2022, eq. 4).
// Shapes: gates, p [T, EXPERTS] f32; load [EXPERTS]. Thread: one expert.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> gates: array<f32>;
@group(0) @binding(2) var<storage, read> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> load: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= EXPERTS) { return; }
  var sum = vec2f(0.0);
  for (var t = 0u; t < step.tokens; t++) {
    let at = t * EXPERTS + id.x;
    sum += vec2f(select(0.0, 1.0 / TOP_K, gates[at] > 0.0), p[at]);
  }
  load[id.x] = sum / f32(step.tokens);
}
