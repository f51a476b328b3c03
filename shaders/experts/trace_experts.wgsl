// Semantics: for each row of logits, the experts that its token took in every layer and their weights, packed for the host.
// Shapes: chosen, weights [LAYERS, STRIDE], of which [T, USED] are used; trace [R, LAYERS, USED] of (expert, weight as f32 bits).
@group(0) @binding(0) var<storage, read> rows: array<LogitRow>;
@group(0) @binding(1) var<storage, read> chosen: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> trace: array<vec2u>;

const CELLS = u32(LAYERS * USED);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = rows[group.x].token;
  for (var i = lane; i < CELLS; i += 64u) {
    let at = (i / USED) * STRIDE + token * USED + i % USED;
    trace[group.x * CELLS + i] = vec2u(chosen[at], bitcast<u32>(weights[at]));
  }
}
