// Semantics: with d = the gradient of gated[t, r] = gates[t, e] · scale · hidden[t, r] (lora_gate.wgsl), in place
//   d_gates[t, e] += Σ_{r of e} scale · hidden[t, r] · d[t, r];  d[t, r] ← gates[t, e] · scale · d[t, r]
// d_gates is <dL/dy, Δ_e x> whether or not the expert was chosen: what the straight-through estimator asks for.
// Shapes as in lora_gate.wgsl; d_gates [T, experts]. Thread: one token.
struct Sizes {
  ranks: u32,  // of all experts together
  experts: u32,
}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> sizes: Sizes;
@group(0) @binding(2) var<storage, read> owners: array<vec2f>;
@group(0) @binding(3) var<storage, read> gates: array<f32>;
@group(0) @binding(4) var<storage, read> hidden: array<f32>;
@group(0) @binding(5) var<storage, read_write> d: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_gates: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x;
  if (token >= step.tokens) { return; }
  for (var r = 0u; r < sizes.ranks; r++) {
    let at = token * sizes.ranks + r;
    let gate = token * sizes.experts + u32(owners[r].x);
    let g = owners[r].y * d[at];
    d_gates[gate] += hidden[at] * g;
    d[at] = gates[gate] * g;
  }
}
