// Semantics: q, k, v = qkv[t] + lora(t); q and k turned by the token's position; q[t] kept, k and v put into their KV cell.
// Shapes: qkv [T, (HEADS + 2·KV_HEADS)·HEAD_DIM] f32, q [T, HEADS·HEAD_DIM], rotations [positions, HEAD_DIM/2] (cos, sin).
// A page of the pool: K [KV_HEADS, 16, HEAD_DIM], then V likewise. One thread a rotated pair (i, i + HEAD_DIM/2).
// Source: RoPE, Su et al. 2021, in the half-split order of the Hugging Face checkpoints.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> rotations: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> q: array<f32>;
@group(0) @binding(5) var<storage, read_write> pool: array<vec4f>;

const HALF = u32(HEAD_DIM / 2);
const HALF4 = u32(HEAD_DIM / 8);
const Q_ROWS = u32(HEADS * HEAD_DIM);
const KV_ROWS = u32(KV_HEADS * HEAD_DIM);
const ROWS = Q_ROWS + 2u * KV_ROWS;
const PAGE4 = u32(2 * 16 * KV_HEADS * HEAD_DIM / 4);

fn row4(token: u32, member: u32, row: u32) -> vec4f {
  let at = token * ROWS + select(0u, select(Q_ROWS, Q_ROWS + KV_ROWS, member == 2u), member > 0u) + row;
  return vec4f(qkv[at], qkv[at + 1u], qkv[at + 2u], qkv[at + 3u]) + lora_delta4(token, member, row);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u) {
  let token = group.y;
  let head = id.x / HALF4;
  let i = (id.x % HALF4) * 4u;
  if (head >= HEADS + 2u * KV_HEADS) { return; }
  let member = select(0u, select(1u, 2u, head >= HEADS + KV_HEADS), head >= HEADS);
  let within = head - select(0u, select(u32(HEADS), u32(HEADS + KV_HEADS), member == 2u), member > 0u);
  let a = row4(token, member, within * HEAD_DIM + i);
  let b = row4(token, member, within * HEAD_DIM + i + HALF);
  var first = a;
  var second = b;
  if (member < 2u) {
    let turn = tokens[token].position * HALF + i;
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
  let cell = tokens[token].cell;
  let page = (cell / 16u) * PAGE4 + select(0u, PAGE4 / 2u, member == 2u);
  let at = page + (within * 16u + cell % 16u) * (2u * HALF4) + i / 4u;
  pool[at] = first;
  pool[at + HALF4] = second;
}
