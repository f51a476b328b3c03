// Semantics: y[t, h] = softmax(q[t, h] · K / √HEAD_DIM) V over positions 0 … position(t) of t's sequence, through its pages.
// Shapes: q, y [T, HEADS·HEAD_DIM] f32; pool pages hold K [KV_HEADS, 16, HEAD_DIM], then V. One workgroup a (head, token).
// Tiles start at absolute positions, so a token's result depends on nothing but its own sequence.
// Source: online softmax, Milakov & Gimelshein 2018; tiling as FlashAttention, Dao et al. 2022.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<vec4u>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> blocks: array<u32>;
@group(0) @binding(4) var<storage, read> q: array<vec4f>;
@group(0) @binding(5) var<storage, read> pool: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> x: array<vec4f>;

const DIM4 = u32(HEAD_DIM / 4);
const PAGE4 = u32(2 * 16 * KV_HEADS * HEAD_DIM / 4);
const STRANDS = u32(WORKGROUP) / DIM4;  // threads that share a column of V
const THREADS = u32(WORKGROUP);
const TILE = 4u * THREADS;

var<workgroup> query: array<vec4f, DIM4>;
var<workgroup> scores: array<f32, TILE>;
var<workgroup> partial: array<f32, WORKGROUP>;
var<workgroup> columns: array<vec4f, WORKGROUP>;
var<workgroup> highest: f32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.x;
  let token = group.y;
  let kv_head = head / u32(HEADS / KV_HEADS);
  let context = tokens[token].y + 1u;
  let table = sequences[tokens[token].z].blocks;
  if (lane < DIM4) {
    query[lane] = q[(token * HEADS + head) * DIM4 + lane] * SCALE;
  }
  if (lane == 0u) { highest = -3.0e38; }
  workgroupBarrier();

  let column = lane % DIM4;
  let strand = lane / DIM4;
  var weight = 0.0;          // this thread's share of the softmax denominator
  var sum = vec4f(0.0);      // its strand's share of the numerator
  for (var base = 0u; base < context; base += TILE) {
    let count = min(TILE, context - base);
    let before = workgroupUniformLoad(&highest);
    var top = before;
    for (var i = lane; i < count; i += THREADS) {
      let position = base + i;
      let at = blocks[table + position / 16u] * PAGE4 + (kv_head * 16u + position % 16u) * DIM4;
      var product = vec4f(0.0);
      for (var d = 0u; d < DIM4; d++) {
        product = fma(query[d], pool[at + d], product);
      }
      let score = (product.x + product.y) + (product.z + product.w);
      scores[i] = score;
      top = max(top, score);
    }
    partial[lane] = top;
    workgroupBarrier();
    if (lane == 0u) {
      for (var i = 1u; i < min(THREADS, count); i++) { top = max(top, partial[i]); }
      highest = top;
    }
    let peak = workgroupUniformLoad(&highest);
    let shrink = exp(before - peak);
    weight *= shrink;
    sum *= shrink;
    for (var i = lane; i < count; i += THREADS) {
      let e = exp(scores[i] - peak);
      scores[i] = e;
      weight += e;
    }
    workgroupBarrier();
    if (strand < STRANDS) {
      for (var i = strand; i < count; i += STRANDS) {
        let position = base + i;
        let at = blocks[table + position / 16u] * PAGE4 + PAGE4 / 2u + (kv_head * 16u + position % 16u) * DIM4;
        sum = fma(vec4f(scores[i]), pool[at + column], sum);
      }
    }
    workgroupBarrier();
  }

  partial[lane] = weight;
  columns[lane] = sum;
  workgroupBarrier();
  if (lane < DIM4) {
    var denominator = 0.0;
    for (var i = 0u; i < THREADS; i++) { denominator += partial[i]; }
    var numerator = vec4f(0.0);
    for (var i = 0u; i < STRANDS; i++) { numerator += columns[i * DIM4 + lane]; }
    x[(token * HEADS + head) * DIM4 + lane] = numerator / denominator;
  }
  finish((token * HEADS + head) * DIM4, DIM4, lane);
}
