// Semantics: y[t, i] = f(g) · u, f = silu or, where GELU, gelu by its approximation with tanh, where g = gateUp[t, i] + lora(t, gate, i) and u = gateUp[t, FFN + i] + lora(t, up, i)
// Shapes: gateUp [T, 2·FFN] f32, y [T, FFN] f32. A workgroup has 256 consecutive outputs of one token.
// Source: GELU, Hendrycks & Gimpel 2016: x · (1 + tanh z) / 2 = x · sigmoid(2z), z = √(2/π) (x + 0.044715 x³).
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> gate_up: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4f>;

const FFN4 = u32(FFN / 4);
const WORKGROUP = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.y;
  let i = group.x * WORKGROUP + lane;
  if (i < FFN4) {
    let gate = gate_up[token * 2u * FFN4 + i];
    let up = gate_up[token * 2u * FFN4 + FFN4 + i];
    let g = gate + lora_delta4(token, 0u, i * 4u, gate);
    let u = up + lora_delta4(token, 1u, i * 4u, up);
    var z = g;
    if (GELU) { z = 1.5957691216057308 * (g + 0.044715 * g * g * g); }
    x[token * FFN4 + i] = g / (1.0 + exp(-z)) * u;
  }
}
