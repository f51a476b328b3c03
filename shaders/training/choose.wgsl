// Semantics: p = softmax(logits / TEMPERATURE); the TOP_K best logits are kept (ties: lower index), with gates
// 1 / TOP_K each (unit) or p renormalised over them (SOFT); the others' gates are 0.
// Shapes: logits [T, STRIDE]; p, gates [T, EXPERTS] f32. Thread: one token.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> gates: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.tokens) { return; }
  let at = id.x * STRIDE;
  let to = id.x * EXPERTS;
  var top = -3.0e38;
  for (var e = 0u; e < EXPERTS; e++) { top = max(top, logits[at + e]); }
  var sum = 0.0;
  for (var e = 0u; e < EXPERTS; e++) {
    let share = exp((logits[at + e] - top) / TEMPERATURE);
    p[to + e] = share;
    sum += share;
  }
  var kept = 0.0;
  for (var e = 0u; e < EXPERTS; e++) {
    var better = 0u;
    for (var other = 0u; other < EXPERTS; other++) {
      let l = logits[at + other];
      let own = logits[at + e];
      better += select(0u, 1u, l > own || (l == own && other < e));
    }
    let share = select(0.0, p[to + e], better < TOP_K);
    kept += share;
    gates[to + e] = select(select(0.0, 1.0 / TOP_K, better < TOP_K), share, SOFT);
  }
  for (var e = 0u; e < EXPERTS; e++) {
    p[to + e] /= sum;
    if (SOFT) { gates[to + e] /= kept; }
  }
}
