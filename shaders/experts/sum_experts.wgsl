// Semantics: output[t] = Σ_k weights[t, k] · parts[t, k]
// Shapes: parts [T, USED, HIDDEN], weights [T, USED], output [T, HIDDEN] f32. A workgroup has 256 consecutive outputs of one token.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> parts: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;

const HIDDEN4 = u32(HIDDEN / 4);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.y;
  let i = group.x * 64u + lane;
  if (i >= HIDDEN4) { return; }
  var sum = vec4f(0.0);
  for (var k = 0u; k < USED; k++) {
    let slot = token * USED + k;
    sum += weights[slot] * parts[slot * HIDDEN4 + i];
  }
  output[token * HIDDEN4 + i] = sum;
}
