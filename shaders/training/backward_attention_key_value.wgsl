// Semantics: over the tokens t ≥ s of s's sequence and the heads h of group g, with p and delta as in
// backward_attention_query.wgsl:  dv[s, g] = Σ p do[t, h];  dk[s, g] = Σ p (do · v_s − delta) q[t, h] / √HEAD_DIM
// Shapes: as there; of dqkv the k and v parts are written. Thread: one (s, g), so that nothing is added up by two.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read> d_attended: array<vec4f>;
@group(0) @binding(6) var<storage, read> delta: array<f32>;
@group(0) @binding(7) var<storage, read_write> dqkv: array<vec4f>;

const SHARED_HEADS = u32(HEADS / KV_HEADS);

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x / KV_HEADS;
  let group = id.x % KV_HEADS;
  if (token >= step.tokens) { return; }
  let key = token * ROW4 + (HEADS + group) * DIM4;
  let value = key + KV_HEADS * DIM4;
  var k: array<vec4f, DIM4>;
  var v: array<vec4f, DIM4>;
  for (var i = 0u; i < DIM4; i++) {
    k[i] = qkv[key + i] * SCALE;
    v[i] = qkv[value + i];
  }
  var dk: array<vec4f, DIM4>;
  var dv: array<vec4f, DIM4>;
  let sequence = sequences[tokens[token].sequence];
  for (var t = token; t < sequence.first + sequence.count; t++) {
    for (var h = group * SHARED_HEADS; h < (group + 1u) * SHARED_HEADS; h++) {
      let q = t * ROW4 + h * DIM4;
      let row = t * HEADS + h;
      var score = vec4f(0.0);
      var d_p = vec4f(0.0);
      for (var i = 0u; i < DIM4; i++) {
        score = fma(k[i], qkv[q + i], score);
        d_p = fma(v[i], d_attended[row * DIM4 + i], d_p);
      }
      let p = exp((score.x + score.y) + (score.z + score.w) - lse[row]);
      let d_score = p * ((d_p.x + d_p.y) + (d_p.z + d_p.w) - delta[row]) * SCALE;
      for (var i = 0u; i < DIM4; i++) {
        dv[i] = fma(vec4f(p), d_attended[row * DIM4 + i], dv[i]);
        dk[i] = fma(vec4f(d_score), qkv[q + i], dk[i]);
      }
    }
  }
  for (var i = 0u; i < DIM4; i++) {
    dqkv[key + i] = dk[i];
    dqkv[value + i] = dv[i];
  }
}
