// Semantics: attention.wgsl's, with one thread for each (head, token). Neighbouring threads are neighbouring tokens, which
// read the same rows of K and V at the same time: for many tokens on a software adapter, where barriers and shared memory
// cost more than loads. A page of positions at a time, in the order of positions.
// Shapes: as attention.wgsl.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<vec4u>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> blocks: array<u32>;
@group(0) @binding(4) var<storage, read> q: array<vec4f>;
@group(0) @binding(5) var<storage, read> pool: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> x: array<vec4f>;

const DIM4 = u32(HEAD_DIM / 4);
const PAGE = 16u;
const PAGE4 = u32(2 * 16 * KV_HEADS * HEAD_DIM / 4);
const MASKED = -3.0e38;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x;
  let head = id.y;
  if (token >= step.tokens) { return; }
  let kv_head = head / u32(HEADS / KV_HEADS);
  let position = tokens[token].y;
  let table = sequences[tokens[token].z].blocks;
  let row = (token * HEADS + head) * DIM4;

  var query: array<vec4f, DIM4>;
  var sum: array<vec4f, DIM4>;
  for (var d = 0u; d < DIM4; d++) { query[d] = q[row + d] * SCALE; }
  var weight = 0.0;
  var peak = MASKED;
  for (var first = 0u; first <= position; first += PAGE) {
    let keys = blocks[table + first / PAGE] * PAGE4 + kv_head * PAGE * DIM4;
    let values = keys + PAGE4 / 2u;
    var scores: array<f32, PAGE>;
    let before = peak;
    for (var p = 0u; p < PAGE; p++) {
      var product = vec4f(0.0);
      for (var d = 0u; d < DIM4; d++) { product = fma(query[d], pool[keys + p * DIM4 + d], product); }
      scores[p] = select(MASKED, (product.x + product.y) + (product.z + product.w), first + p <= position);
      peak = max(peak, scores[p]);
    }
    let shrink = exp(before - peak);
    weight *= shrink;
    for (var d = 0u; d < DIM4; d++) { sum[d] *= shrink; }
    // Behind the token's own position lie values nobody wrote yet: they must not be read as numbers
    for (var p = 0u; p < min(PAGE, position + 1u - first); p++) {
      let e = exp(scores[p] - peak);
      weight += e;
      for (var d = 0u; d < DIM4; d++) { sum[d] = fma(vec4f(e), pool[values + p * DIM4 + d], sum[d]); }
    }
  }
  for (var d = 0u; d < DIM4; d++) { x[row + d] = sum[d] / weight; }
}
