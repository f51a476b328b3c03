// Semantics: r = residual[n(t)] (+ output[t] if ADD, then sum[t] = r);  x[t] = r · rsqrt(mean(r²) + EPS) · weight
// n(t) = t, or rows[t].token if GATHER: x then has a row for every token whose loss counts.
// Shapes: residual, output, sum, x [T, HIDDEN] f32; weight [HIDDEN]; rows [R].
// One workgroup a row. Source: RMSNorm, Zhang & Sennrich 2019, eq. 4.
@group(0) @binding(0) var<storage, read> rows: array<LossRow>;
@group(0) @binding(1) var<storage, read> residual: array<vec4f>;
@group(0) @binding(2) var<storage, read> output: array<vec4f>;
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> sum: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> x: array<vec4f>;

const HIDDEN4 = u32(HIDDEN / 4);
const WORKGROUP = 64u;
var<workgroup> partial: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var source = group.x * HIDDEN4;
  if (GATHER) { source = rows[group.x].token * HIDDEN4; }
  let to = group.x * HIDDEN4;
  var squares = 0.0;
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    var r = residual[source + i];
    if (ADD) {
      r += output[to + i];
      sum[to + i] = r;
    }
    squares += dot(r, r);
  }
  partial[lane] = squares;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < WORKGROUP; i++) { total += partial[i]; }
  let scale = inverseSqrt(total / f32(HIDDEN) + EPS);
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    var r = residual[source + i];
    if (ADD) { r = sum[to + i]; }
    x[to + i] = r * scale * weight[i];
  }
}
