// Semantics: a = output[t] + lora(t); where AFTER, a = RMSNorm(a) · after;
// x[r] = RMSNorm(residual[t] + SCALE · a) · weight for the token t that heads each row of logits
// Shapes: residual, output [T, HIDDEN], x [R, HIDDEN] f32; weight, after [HIDDEN]. One workgroup a row; the other tokens
// need no logits.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logit_rows: array<LogitRow>;
@group(0) @binding(2) var<storage, read> residual: array<vec4f>;
@group(0) @binding(3) var<storage, read> output: array<vec4f>;
@group(0) @binding(4) var<storage, read> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> x: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = logit_rows[group.x].token;
  let base = group.x * HIDDEN4;
  var factor = f32(SCALE);
  if (AFTER) {
    var squares = 0.0;
    for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
      let y = output[token * HIDDEN4 + i];
      let a = y + lora_delta4(token, 0u, i * 4u, y);
      x[base + i] = a;
      squares += dot(a, a);
    }
    factor *= inverse_rms(lane, squares);
  }
  var squares = 0.0;
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    let at = token * HIDDEN4 + i;
    var a = x[base + i] * after_weight(i);
    if (!AFTER) { a = output[at] + lora_delta4(token, 0u, i * 4u, output[at]); }
    let r = residual[at] + a * factor;
    x[base + i] = r;
    squares += dot(r, r);
  }
  let scale = inverse_rms(lane, squares);
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    x[base + i] = x[base + i] * scale * weight[i];
  }
}
