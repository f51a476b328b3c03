// Semantics: gradients += STRENGTH · importance ⊙ (values − anchors), the gradient of the penalty
// ½ · STRENGTH · Σ importance (values − anchors)², of which partials[i] is a part.
// Shapes: all [COUNT] f32, COUNT a multiple of 4; partials [PARTIALS]. One thread a partial.
// Source: Kirkpatrick et al. 2017 (elastic weight consolidation), equation 3.
@group(0) @binding(0) var<storage, read> values: array<vec4f>;
@group(0) @binding(1) var<storage, read> anchors: array<vec4f>;
@group(0) @binding(2) var<storage, read> importance: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gradients: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = 0.0;
  for (var i = id.x; i < COUNT / 4; i += PARTIALS) {
    let away = values[i] - anchors[i];
    let pull = STRENGTH * importance[i] * away;
    gradients[i] += pull;
    sum += dot(pull, away);
  }
  partials[id.x] = 0.5 * sum;
}
