// Semantics: as rope_kv.wgsl, but q and k are normed first (qk_norm.wgsl) or only the first ROTARY elements of a head are
// turned, element i with element i + ROTARY/2; the others are kept.
// Shapes: as there, but rotations [rows, ROTARY/2] (cos, sin). One workgroup a head of a token.
const HEAD_WORKGROUP = 64u;
const STRIDE = 4u * HEAD_WORKGROUP;
var<workgroup> values: array<f32, HEAD_DIM>;

@compute @workgroup_size(HEAD_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.y;
  let member = member_of(group.x);
  let within = within_of(group.x, member);
  let row = within * HEAD_DIM;
  let scale = qk_scale(token, member, row, lane);
  for (var i = 4u * lane; i < HEAD_DIM; i += STRIDE) {
    let v = row4(token, member, row + i);
    for (var n = 0u; n < 4u; n++) { values[i + n] = v[n] * scale * qk_weight(member, row + i + n); }
  }
  workgroupBarrier();
  for (var i = 4u * lane; i < HEAD_DIM; i += STRIDE) {
    var v: vec4f;
    for (var n = 0u; n < 4u; n++) { v[n] = turned(i + n, tokens[token].turn, member < 2u); }
    if (member == 0u) {
      for (var n = 0u; n < 4u; n++) { q[token * Q_ROWS + row + i + n] = v[n]; }
    } else {
      pool[cell4(token, member, within) + i / 4u] = narrowed(v);
    }
  }
}

fn turned(i: u32, row: u32, turns: bool) -> f32 {
  let value = values[i];
  if (!turns || i >= ROTARY) { return value; }
  let half = u32(ROTARY / 2);
  let turn = rotations[row * half + i % half];
  let other = values[(i + half) % ROTARY];
  return value * turn.x + other * select(turn.y, -turn.y, i < half);
}
