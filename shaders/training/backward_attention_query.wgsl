// Semantics: for o = attended and do = its gradient, with p_s = exp(score_s − lse) recomputed (causal_attention.wgsl)
//   delta[t, h] = do · o;  dq[t, h] = Σ_s p_s (do · v_s − delta) k_s / √HEAD_DIM
// Shapes: qkv, dqkv [T, ROW4] vec4, of dqkv the q part is written; attended, d_attended [T, HEADS·HEAD_DIM]; delta, lse
// [T, HEADS]. Thread: one (t, h). Source: FlashAttention-2, Dao 2023, algorithm 2, by rows.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read> attended: array<vec4f>;
@group(0) @binding(5) var<storage, read> lse: array<f32>;
@group(0) @binding(6) var<storage, read> d_attended: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> delta: array<f32>;
@group(0) @binding(8) var<storage, read_write> dqkv: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x / HEADS;
  let head = id.x % HEADS;
  if (token >= step.tokens) { return; }
  let group = head / (HEADS / KV_HEADS);
  let at = token * ROW4 + head * DIM4;
  var query: array<vec4f, DIM4>;
  var d_out: array<vec4f, DIM4>;
  var own = 0.0;
  for (var i = 0u; i < DIM4; i++) {
    query[i] = qkv[at + i] * SCALE;
    d_out[i] = d_attended[id.x * DIM4 + i];
    own += dot(d_out[i], attended[id.x * DIM4 + i]);
  }
  delta[id.x] = own;
  var sum: array<vec4f, DIM4>;
  for (var s = sequences[tokens[token].sequence].first; s <= token; s++) {
    let key = s * ROW4 + (HEADS + group) * DIM4;
    let value = key + KV_HEADS * DIM4;
    var score = vec4f(0.0);
    var d_p = vec4f(0.0);
    for (var i = 0u; i < DIM4; i++) {
      score = fma(query[i], qkv[key + i], score);
      d_p = fma(d_out[i], qkv[value + i], d_p);
    }
    let p = exp((score.x + score.y) + (score.z + score.w) - lse[id.x]);
    let d_score = p * ((d_p.x + d_p.y) + (d_p.z + d_p.w) - own) * SCALE;
    for (var i = 0u; i < DIM4; i++) { sum[i] = fma(vec4f(d_score), qkv[key + i], sum[i]); }
  }
  for (var i = 0u; i < DIM4; i++) { dqkv[at + i] = sum[i]; }
}
