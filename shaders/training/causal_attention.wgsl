// Semantics: out[t, h] = Σ_s p_s v[s, g],  p = softmax over s of q[t, h] · k[s, g] / √HEAD_DIM,  s from t's sequence's
// first token to t, g = h's group; lse[t, h] = log Σ_s exp(score), from which the backward pass has every p again.
// Shapes: qkv [T, (HEADS + 2·KV_HEADS)·HEAD_DIM] f32, turned; out [T, HEADS·HEAD_DIM]; lse [T, HEADS]. Thread: one (t, h).
// Source: online softmax, Milakov & Gimelshein 2018.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> attended: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x / HEADS;
  let head = id.x % HEADS;
  if (token >= step.tokens) { return; }
  let group = head / (HEADS / KV_HEADS);
  var query: array<vec4f, DIM4>;
  for (var i = 0u; i < DIM4; i++) { query[i] = qkv[token * ROW4 + head * DIM4 + i] * SCALE; }
  var sum: array<vec4f, DIM4>;
  var weight = 0.0;
  var top = -3.0e38;
  for (var s = sequences[tokens[token].sequence].first; s <= token; s++) {
    let key = s * ROW4 + (HEADS + group) * DIM4;
    let value = key + KV_HEADS * DIM4;
    var product = vec4f(0.0);
    for (var i = 0u; i < DIM4; i++) { product = fma(query[i], qkv[key + i], product); }
    let score = (product.x + product.y) + (product.z + product.w);
    let higher = max(top, score);
    let keep = exp(top - higher);
    let p = exp(score - higher);
    top = higher;
    weight = fma(weight, keep, p);
    for (var i = 0u; i < DIM4; i++) { sum[i] = fma(vec4f(p), qkv[value + i], sum[i] * keep); }
  }
  for (var i = 0u; i < DIM4; i++) { attended[id.x * DIM4 + i] = sum[i] / weight; }
  lse[id.x] = top + log(weight);
}
