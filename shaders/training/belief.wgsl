// Semantics: along each sequence, logits[t] = log b_t with b_t ∝ exp(e_t) ⊙ ((1 − ρ_t) b_{t−1} + ρ_t / E), b_{−1} = 1/E,
// e_t = z[t, 0..E), ρ_t = σ(z[t, E]) (architecture.md, "Mixture").
// Shapes: z [T, STRIDE], logits [T, EXPERTS] f32. Thread: one sequence, since a belief runs through its tokens in order.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read_write> logits: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.sequences) { return; }
  let sequence = sequences[id.x];
  var log_b: array<f32, EXPERTS>;
  for (var e = 0u; e < EXPERTS; e++) { log_b[e] = -log(f32(EXPERTS)); }
  for (var t = sequence.first; t < sequence.first + sequence.count; t++) {
    let change = 1.0 / (1.0 + exp(-z[t * STRIDE + EXPERTS]));
    var top = -3.0e38;
    for (var e = 0u; e < EXPERTS; e++) {
      log_b[e] = z[t * STRIDE + e] + log((1.0 - change) * exp(log_b[e]) + change / f32(EXPERTS));
      top = max(top, log_b[e]);
    }
    var sum = 0.0;
    for (var e = 0u; e < EXPERTS; e++) { sum += exp(log_b[e] - top); }
    for (var e = 0u; e < EXPERTS; e++) {
      log_b[e] -= top + log(sum);
      logits[t * EXPERTS + e] = log_b[e];
    }
  }
}
