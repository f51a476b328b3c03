// Semantics: gated[t, r] = gates[t, e(r)] · scale(r) · hidden[t, r], for the ranks of all experts side by side
// Shapes: hidden, gated [T, ranks] f32; gates [T, experts]; owners [ranks] = (expert, scale), scale 0 for padding.
struct Sizes {
  ranks: u32,  // of all experts together
  experts: u32,
}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> sizes: Sizes;
@group(0) @binding(2) var<storage, read> owners: array<vec2f>;
@group(0) @binding(3) var<storage, read> gates: array<f32>;
@group(0) @binding(4) var<storage, read> hidden: array<f32>;
@group(0) @binding(5) var<storage, read_write> gated: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x / sizes.ranks;
  if (token >= step.tokens) { return; }
  let rank = owners[id.x % sizes.ranks];
  gated[id.x] = gates[token * sizes.experts + u32(rank.x)] * rank.y * hidden[id.x];
}
