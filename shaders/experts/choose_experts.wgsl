// Semantics: chosen[t, k], weights[t, k] = the k-th likeliest expert of token t and its softmax over all EXPERTS logits; where
// NORMALISED, divided by the sum over k. Equal logits: the lower index first.
// Shapes: logits [T, EXPERTS] f32; chosen, weights [T, USED]. One thread a token.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x;
  if (token >= step.tokens) { return; }
  let row = token * EXPERTS;
  var last = 3.0e38;
  var last_index = 0u;
  var top = 0.0;
  var taken = 0.0;
  for (var k = 0u; k < USED; k++) {
    var best = -3.4e38;
    var index = 0u;
    for (var e = 0u; e < EXPERTS; e++) {
      let l = logits[row + e];
      let after = l < last || (l == last && e > last_index);
      if (after && l > best) {
        best = l;
        index = e;
      }
    }
    if (k == 0u) { top = best; }
    last = best;
    last_index = index;
    let weight = exp(best - top);
    taken += weight;
    chosen[token * USED + k] = index;
    weights[token * USED + k] = weight;
  }
  var sum = taken;
  if (!NORMALISED) {
    sum = 0.0;
    for (var e = 0u; e < EXPERTS; e++) { sum += exp(logits[row + e] - top); }
  }
  for (var k = 0u; k < USED; k++) { weights[token * USED + k] /= sum; }
}
