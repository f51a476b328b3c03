// Semantics: for y = silu(g) · u and dy given, in place of (g, u): dg = dy · u · silu'(g), du = dy · silu(g)
// with silu'(g) = σ(g) (1 + g (1 − σ(g))).
// Shapes: gate_up [T, 2·FFN] f32, first g then u of a token; dy [T, FFN]. Thread: four values.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> gate_up: array<vec4f>;

const FFN4 = u32(FFN / 4);

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.tokens * FFN4) { return; }
  let at = id.x / FFN4 * 2u * FFN4 + id.x % FFN4;
  let g = gate_up[at];
  let u = gate_up[at + FFN4];
  let d = dy[id.x];
  let s = 1.0 / (1.0 + exp(-g));
  gate_up[at] = d * u * s * (1.0 + g * (1.0 - s));
  gate_up[at + FFN4] = d * g * s;
}
