// Rows of q, k and v with their deltas, and where they go: what both bodies of rope_kv have in common.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> rotations: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> q: array<f32>;
@group(0) @binding(5) var<storage, read_write> pool: array<Cell4>;

const Q_ROWS = u32(HEADS * HEAD_DIM);
const KV_ROWS = u32(KV_HEADS * HEAD_DIM);
const ROWS = Q_ROWS + 2u * KV_ROWS;
const PAGE4 = u32(2 * 16 * KV_HEADS * HEAD_DIM / 4);

fn row4(token: u32, member: u32, row: u32) -> vec4f {
  let at = token * ROWS + select(0u, select(Q_ROWS, Q_ROWS + KV_ROWS, member == 2u), member > 0u) + row;
  let base = vec4f(qkv[at], qkv[at + 1u], qkv[at + 2u], qkv[at + 3u]);
  return base + lora_delta4(token, member, row, base);
}

fn member_of(head: u32) -> u32 {
  return select(0u, select(1u, 2u, head >= HEADS + KV_HEADS), head >= HEADS);
}

// A head's number within its member.
fn within_of(head: u32, member: u32) -> u32 {
  return head - select(0u, select(u32(HEADS), u32(HEADS + KV_HEADS), member == 2u), member > 0u);
}

// Where a head of k or v begins in its cell, in vec4s.
fn cell4(token: u32, member: u32, within: u32) -> u32 {
  let cell = tokens[token].cell;
  let page = (cell / 16u) * PAGE4 + select(0u, PAGE4 / 2u, member == 2u);
  return page + (within * 16u + cell % 16u) * u32(HEAD_DIM / 4);
}
