// Semantics: the gradient of the gates (choose.wgsl) for the logits, given d_gates[t, e] = <dL/dy, Δ_e x> of every expert.
//   SOFT: exact, through the renormalised p of the kept; which are kept is taken as given.
//   unit: straight-through: the gates of the forward pass are constants, and the gradient is that of the gates p_e,
//   dℓ_e = p_e (d_gates_e − Σ_j p_j d_gates_j) / TEMPERATURE, so that a better expert that was not chosen gains
//   (Bengio, Léonard & Courville 2013, with the softmax in place of the hard choice).
// Beside it, for p: BALANCE / T · E · f_e, Switch's load-balancing loss (Fedus et al. 2022, eq. 4), f_e = load[e].x. T are
// the tokens of the whole batch, of which this step may be a part.
// Shapes: p, gates, d_gates [T, EXPERTS], d_logits [T, STRIDE] f32; what lies beyond the experts is written as 0.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> whole: Step;
@group(0) @binding(2) var<storage, read> p: array<f32>;
@group(0) @binding(3) var<storage, read> gates: array<f32>;
@group(0) @binding(4) var<storage, read> d_gates: array<f32>;
@group(0) @binding(5) var<storage, read> load: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> d_logits: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.tokens) { return; }
  let at = id.x * EXPERTS;
  let balance = BALANCE * EXPERTS / f32(whole.tokens);
  var mean = 0.0;
  var balanced = 0.0;
  for (var e = 0u; e < EXPERTS; e++) {
    mean += select(p[at + e], gates[at + e], SOFT) * d_gates[at + e];
    balanced += p[at + e] * load[e].x;
  }
  for (var e = 0u; e < EXPERTS; e++) {
    let share = select(p[at + e], gates[at + e], SOFT);
    let d = share * (d_gates[at + e] - mean) + balance * p[at + e] * (load[e].x - balanced);
    d_logits[id.x * STRIDE + e] = d / TEMPERATURE;
  }
  for (var e = u32(EXPERTS); e < STRIDE; e++) { d_logits[id.x * STRIDE + e] = 0.0; }
}
