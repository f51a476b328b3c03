// Semantics: a = output[t] + lora(t); where AFTER, a = RMSNorm(a) · after; r = residual[t] + SCALE · a; residual[t] = r;
// x[t] = RMSNorm(r) · weight, or r itself where BARE. RMSNorm(v) = v · rsqrt(mean(v²) + EPS)
// Shapes: residual, output, x [T, HIDDEN] f32; weight, after [HIDDEN]. One workgroup a token.
// ADD = false: the first norm of a step, which has no output to add and leaves the residual as it is.
// Source: RMSNorm, Zhang & Sennrich 2019, eq. 4.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> residual: array<vec4f>;
@group(0) @binding(2) var<storage, read> output: array<vec4f>;
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.x;
  let base = token * HIDDEN4;
  var factor = f32(SCALE);
  if (ADD && AFTER) {
    var squares = 0.0;
    for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
      let y = output[base + i];
      let a = y + lora_delta4(token, 0u, i * 4u, y);
      x[base + i] = a;
      squares += dot(a, a);
    }
    factor *= inverse_rms(lane, squares);
  }
  var squares = 0.0;
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    var r = residual[base + i];
    if (ADD) {
      r += added(token, i) * factor;
      residual[base + i] = r;
    }
    if (BARE) { x[base + i] = r; }
    squares += dot(r, r);
  }
  if (BARE) { return; }
  let scale = inverse_rms(lane, squares);
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    x[base + i] = residual[base + i] * scale * weight[i];
  }
}

fn added(token: u32, i: u32) -> vec4f {
  if (AFTER) { return x[token * HIDDEN4 + i] * after_weight(i); }
  let y = output[token * HIDDEN4 + i];
  return y + lora_delta4(token, 0u, i * 4u, y);
}
