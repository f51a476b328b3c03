// Semantics: q, k, v = qkv[t] + lora(t); q and k turned by the token's row of rotations; q[t] kept, k and v put into their KV cell.
// Shapes: qkv [T, (HEADS + 2·KV_HEADS)·HEAD_DIM] f32, q [T, HEADS·HEAD_DIM], rotations [rows, HEAD_DIM/2] (cos, sin).
// A page of the pool: K [KV_HEADS, 16, HEAD_DIM], then V likewise. One thread a rotated pair (i, i + HEAD_DIM/2).
// Source: RoPE, Su et al. 2021, in the half-split order of the Hugging Face checkpoints.
const HALF = u32(HEAD_DIM / 2);
const HALF4 = u32(HEAD_DIM / 8);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u) {
  let token = group.y;
  let head = id.x / HALF4;
  let i = (id.x % HALF4) * 4u;
  if (head >= HEADS + 2u * KV_HEADS) { return; }
  let member = member_of(head);
  let within = within_of(head, member);
  let a = row4(token, member, within * HEAD_DIM + i);
  let b = row4(token, member, within * HEAD_DIM + i + HALF);
  var first = a;
  var second = b;
  if (member < 2u) {
    let turn = tokens[token].turn * HALF + i;
    let t0 = rotations[turn];
    let t1 = rotations[turn + 1u];
    let t2 = rotations[turn + 2u];
    let t3 = rotations[turn + 3u];
    let c = vec4f(t0.x, t1.x, t2.x, t3.x);
    let s = vec4f(t0.y, t1.y, t2.y, t3.y);
    first = a * c - b * s;
    second = b * c + a * s;
  }
  if (member == 0u) {
    let at = token * Q_ROWS + within * HEAD_DIM + i;
    for (var n = 0u; n < 4u; n++) {
      q[at + n] = first[n];
      q[at + HALF + n] = second[n];
    }
    return;
  }
  let at = cell4(token, member, within) + i / 4u;
  pool[at] = narrowed(first);
  pool[at + HALF4] = narrowed(second);
}
