// Semantics: gate[t, i] = silu(fc1[i] · x[t] + b1[i])  (mlp),  |v_i · x[t]|  (arrow), for the router of t's sequence.
// Shapes: x [T, HIDDEN] f32; gate [T, GATE_WIDTH] f32, zero from the router's width to the next multiple of 4, where
// route.wgsl reads whole vec4s. Other routers need no hidden layer and write nothing.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<vec4u>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read> pool: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> gate: array<f32>;

const HIDDEN4 = u32(HIDDEN / 4);

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.y;
  let router = sequences[tokens[token].z].router;
  if (router == 0u) { return; }
  let kind = u32(pool[router].x);
  let width = u32(pool[router + 1u].y);
  let i = id.x;
  if (kind > ARROW || i >= (width + 3u) / 4u * 4u) { return; }
  if (i >= width) {
    gate[token * GATE_WIDTH + i] = 0.0;
    return;
  }
  let offsets = pool[router + 2u];
  let row = router + u32(offsets.x) + i * HIDDEN4;
  var product = vec4f(0.0);
  for (var k = 0u; k < HIDDEN4; k++) {
    product = fma(pool[row + k], x[token * HIDDEN4 + k], product);
  }
  let sum = (product.x + product.y) + (product.z + product.w);
  if (kind == ARROW) {
    gate[token * GATE_WIDTH + i] = abs(sum);
    return;
  }
  let a = sum + pool[router + u32(offsets.y) + i / 4u][i % 4u];
  gate[token * GATE_WIDTH + i] = a / (1.0 + exp(-a));
}
