// Semantics: gated[t, r] = gates[t, e(r)] · scale(r) · hidden[t, r], for the ranks of all experts side by side
// Shapes: hidden, gated [T, RANKS] f32; gates [T, EXPERTS]; ranks [RANKS] = (expert, scale), scale 0 for padding.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> ranks: array<vec2f>;
@group(0) @binding(2) var<storage, read> gates: array<f32>;
@group(0) @binding(3) var<storage, read> hidden: array<f32>;
@group(0) @binding(4) var<storage, read_write> gated: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x / RANKS;
  if (token >= step.tokens) { return; }
  let rank = ranks[id.x % RANKS];
  gated[id.x] = gates[token * EXPERTS + u32(rank.x)] * rank.y * hidden[id.x];
}
