// Semantics: x[r] = RMSNorm(residual[t] + output[t] + lora(t)) · weight for the token t that heads each row of logits
// Shapes: residual, output [T, HIDDEN], x [R, HIDDEN] f32. One workgroup a row; the other tokens need no logits.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logit_rows: array<LogitRow>;
@group(0) @binding(2) var<storage, read> residual: array<vec4f>;
@group(0) @binding(3) var<storage, read> output: array<vec4f>;
@group(0) @binding(4) var<storage, read> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> x: array<vec4f>;

const HIDDEN4 = u32(HIDDEN / 4);
const WORKGROUP = 64u;
var<workgroup> partial: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = logit_rows[group.x].token;
  let base = group.x * HIDDEN4;
  var squares = 0.0;
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    let at = token * HIDDEN4 + i;
    let r = residual[at] + output[at] + lora_delta4(token, 0u, i * 4u);
    x[base + i] = r;
    squares += dot(r, r);
  }
  partial[lane] = squares;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < WORKGROUP; i++) { squares += partial[i]; }
    partial[0] = squares;
  }
  let mean = workgroupUniformLoad(&partial[0]) / f32(HIDDEN);
  // A mean that overflowed would make zeros of the row, 1/∞, and a token of them: its bits make a NaN, which stays one.
  let lost = select(0u, 0x7fc00000u, (bitcast<u32>(mean) & 0x7f800000u) == 0x7f800000u);
  let scale = bitcast<f32>(bitcast<u32>(inverseSqrt(mean + EPS)) | lost);
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    x[base + i] = x[base + i] * scale * weight[i];
  }
}
