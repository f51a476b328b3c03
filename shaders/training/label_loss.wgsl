// Semantics: how well a router's p fits given targets y, and the gradient of that for its gate's outputs z:
//   loss = −Σ_t Σ_e y[t, e] log p[t, e], p = b (BELIEF: the filter of routing/route.wgsl) or softmax(z)
// With Y_t = Σ_e y[t, e], r_e = (1 − ρ_t) b_{t−1,e} / ((1 − ρ_t) b_{t−1,e} + ρ_t / E) (the share of an expert's prior that
// stayed) and G_t = −y_t + what token t + 1 hands back:
//   de = G − b_t Σ G;  ds = Σ_e de_e (1 − ρ − r_e) for ρ = σ(s);  handed back to log b_{t−1}: de r
// r is computed from logarithms, so that no belief and no ρ is too small. Memoryless: dz = Y p − y.
// Shapes: targets [T, EXPERTS]; evidence [T, EXPERTS + 1] as routing/route.wgsl leaves it (log b and s, or z); dz [T, STRIDE], zero
// past the gate's outputs; report [S] = (loss, Σ Y over tokens whose best expert is the target's, Σ Y, tokens with targets).
// Sequences are whole (start = 0). Thread: one sequence, since what is handed back runs through its tokens in order.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> evidence: array<f32>;
@group(0) @binding(4) var<storage, read_write> dz: array<f32>;
@group(0) @binding(5) var<storage, read_write> report: array<vec4f>;

const EVIDENCE = u32(EXPERTS + 1);

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u) {
  let sequence = sequences[group.x];
  var later: array<f32, EXPERTS>;
  var found = vec4f(0.0);
  for (var n = sequence.count; n > 0u; n--) {
    let t = sequence.first + n - 1u;
    let at = t * EVIDENCE;
    let log_normaliser = select(log_sum(at), 0.0, BELIEF);
    var weight = 0.0;
    var best = 0u;
    var target_best = 0u;
    for (var e = 0u; e < EXPERTS; e++) {
      let y = targets[t * EXPERTS + e];
      weight += y;
      found.x -= y * (evidence[at + e] - log_normaliser);
      later[e] -= y;
      if (evidence[at + e] > evidence[at + best]) { best = e; }
      if (y > targets[t * EXPERTS + target_best]) { target_best = e; }
    }
    found += vec4f(0.0, select(0.0, weight, best == target_best), weight, select(0.0, 1.0, weight > 0.0));

    var total = 0.0;
    for (var e = 0u; e < EXPERTS; e++) { total += later[e]; }
    var ds = 0.0;
    for (var e = 0u; e < EXPERTS; e++) {
      let de = later[e] - exp(evidence[at + e] - log_normaliser) * total;
      dz[t * STRIDE + e] = de;
      later[e] = 0.0;
      if (BELIEF) {
        let s = evidence[at + EXPERTS];
        var before = -log(f32(EXPERTS));
        if (n > 1u) { before = evidence[at - EVIDENCE + e]; }
        let stayed = 1.0 / (1.0 + exp(s - log(f32(EXPERTS)) - before));
        ds += de * (1.0 / (1.0 + exp(s)) - stayed);
        later[e] = de * stayed;
      }
    }
    for (var e = u32(EXPERTS); e < STRIDE; e++) { dz[t * STRIDE + e] = 0.0; }
    if (BELIEF) { dz[t * STRIDE + EXPERTS] = ds; }
  }
  report[group.x] = found;
}

fn log_sum(at: u32) -> f32 {
  var top = -3.0e38;
  for (var e = 0u; e < EXPERTS; e++) { top = max(top, evidence[at + e]); }
  var sum = 0.0;
  for (var e = 0u; e < EXPERTS; e++) { sum += exp(evidence[at + e] - top); }
  return top + log(sum);
}
