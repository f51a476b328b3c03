// Semantics: dz[t, e] += WEIGHT / T · 2 · lse_t · softmax(z[t])_e over the experts' outputs, lse_t = logsumexp(z[t, 0..E)):
// the gradient of WEIGHT · mean(lse²), the router z-loss (Zoph et al. 2022, eq. 5), T the tokens of the
// whole batch, of which this step may be a part.
// Shapes: z, dz [T, STRIDE] f32. Thread: one token.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> whole: Step;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read_write> dz: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.tokens) { return; }
  let at = id.x * STRIDE;
  var top = -3.0e38;
  for (var e = 0u; e < EXPERTS; e++) { top = max(top, z[at + e]); }
  var sum = 0.0;
  for (var e = 0u; e < EXPERTS; e++) { sum += exp(z[at + e] - top); }
  let lse = top + log(sum);
  let factor = WEIGHT * 2.0 * lse / f32(whole.tokens);
  for (var e = 0u; e < EXPERTS; e++) { dz[at + e] += factor * exp(z[at + e] - lse); }
}
