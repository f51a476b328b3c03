// Semantics: the gradient of log b (belief.wgsl) for z, backward along each sequence. With m_e = (1 − ρ) b_{t−1,e} + ρ / E
// and G_t = d_logits[t] + what token t + 1 hands back:
//   de = G − b_t Σ G;  dm = de / m;  dρ = Σ dm_e (1/E − b_{t−1,e});  handed back to log b_{t−1}: dm (1 − ρ) b_{t−1}
// Shapes: z, dz [T, STRIDE], logits (= log b), d_logits [T, EXPERTS] f32; dz beyond the switch term is written as 0.
// Thread: one sequence.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> logits: array<f32>;
@group(0) @binding(4) var<storage, read> d_logits: array<f32>;
@group(0) @binding(5) var<storage, read_write> dz: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.sequences) { return; }
  let sequence = sequences[id.x];
  let share = 1.0 / f32(EXPERTS);
  var later: array<f32, EXPERTS>;
  for (var n = sequence.count; n > 0u; n--) {
    let t = sequence.first + n - 1u;
    let change = 1.0 / (1.0 + exp(-z[t * STRIDE + EXPERTS]));
    var total = 0.0;
    for (var e = 0u; e < EXPERTS; e++) {
      later[e] += d_logits[t * EXPERTS + e];
      total += later[e];
    }
    var d_change = 0.0;
    for (var e = 0u; e < EXPERTS; e++) {
      var before = share;
      if (n > 1u) { before = exp(logits[(t - 1u) * EXPERTS + e]); }
      let d_evidence = later[e] - exp(logits[t * EXPERTS + e]) * total;
      let d_prior = d_evidence / ((1.0 - change) * before + change * share);
      dz[t * STRIDE + e] = d_evidence;
      d_change += d_prior * (share - before);
      later[e] = d_prior * (1.0 - change) * before;
    }
    dz[t * STRIDE + EXPERTS] = d_change * change * (1.0 - change);
    for (var e = u32(EXPERTS + 1); e < STRIDE; e++) { dz[t * STRIDE + e] = 0.0; }
  }
}
