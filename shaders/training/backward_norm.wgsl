// Semantics: for x[t] = r · s · weight, s = rsqrt(mean(r²) + EPS), r = residual[n(t)] (residual_norm.wgsl), and dx given:
//   d_residual[n(t)] += s · (weight ⊙ dx[t]) − r · s³ / HIDDEN · Σ r ⊙ weight ⊙ dx[t]
// GATHER: rows that pad the last chunk have weight 0 and are left out, since they name no token of their own.
// Shapes as in residual_norm.wgsl; dx [T, HIDDEN], d_residual [tokens, HIDDEN]. One workgroup a row.
@group(0) @binding(0) var<storage, read> rows: array<LossRow>;
@group(0) @binding(1) var<storage, read> residual: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> dx: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> d_residual: array<vec4f>;

const HIDDEN4 = u32(HIDDEN / 4);
const WORKGROUP = 64u;
var<workgroup> partial: array<vec2f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var token = group.x;
  if (GATHER) {
    if (rows[group.x].weight == 0.0) { return; }
    token = rows[group.x].token;
  }
  let at = token * HIDDEN4;
  let source = group.x * HIDDEN4;
  var sums = vec2f(0.0);
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    let r = residual[at + i];
    sums += vec2f(dot(r, r), dot(r * weight[i], dx[source + i]));
  }
  partial[lane] = sums;
  workgroupBarrier();
  var total = vec2f(0.0);
  for (var i = 0u; i < WORKGROUP; i++) { total += partial[i]; }
  let scale = inverseSqrt(total.x / f32(HIDDEN) + EPS);
  let along = scale * scale * scale * total.y / f32(HIDDEN);
  for (var i = lane; i < HIDDEN4; i += WORKGROUP) {
    d_residual[at + i] += scale * weight[i] * dx[source + i] - residual[at + i] * along;
  }
}
