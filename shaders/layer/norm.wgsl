// Semantics: r = residual[t] + output[t] + lora(t); residual[t] = r; x[t] = r · rsqrt(mean(r²) + EPS) · weight
// Shapes: residual, output, x [T, HIDDEN] f32; weight [HIDDEN]. One workgroup a token.
// ADD = false: the first norm of a step, which has no output to add and leaves the residual as it is.
// Source: RMSNorm, Zhang & Sennrich 2019, eq. 4.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> residual: array<vec4f>;
@group(0) @binding(2) var<storage, read> output: array<vec4f>;
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4f>;

const HIDDEN4 = u32(HIDDEN / 4);
const WORKGROUP = 64u;
var<workgroup> partial: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.x;
  let base = token * HIDDEN4;
  var squares = 0.0;
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    var r = residual[base + i];
    if (ADD) {
      r += output[base + i] + lora_delta4(token, 0u, i * 4u);
      residual[base + i] = r;
    }
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
    x[base + i] = residual[base + i] * scale * weight[i];
  }
}
