// Semantics: gate[t, i] = silu(fc1[i] · x[t] + b1[i])  (mlp),  |v_i · x[t]|  (arrow),  k_i · (x[t] − c) / |x[t] − c|  (keys),
// for the router of t's sequence.
// Shapes: x [T, HIDDEN] f32; gate [T, GATE_WIDTH] f32, zero from the router's width to the next multiple of 4, where
// route.wgsl reads whole vec4s. Other routers need no hidden layer and write nothing.
// Thread: four rows against TOKENS neighbouring tokens, those of one router at a time: loads cost more than arithmetic.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read> pool: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> gate: array<vec4f>;

const HIDDEN4 = u32(HIDDEN / 4);

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Of the workgroup's id alone, so that the compiler sees that all threads load the same of x.
  let end = min(TOKENS * (group.y + 1u), step.tokens);
  var first = u32(TOKENS) * group.y;
  while (first < end) {
    let router = router_of(first);
    var count = 1u;
    while (first + count < end && router_of(first + count) == router) { count++; }
    if (router != 0u) { compute(router, group.x * WORKGROUP + lane, first, count); }
    first += count;
  }
}

fn router_of(token: u32) -> u32 {
  return sequences[tokens[token].sequence].router;
}

fn compute(router: u32, i4: u32, first: u32, count: u32) {
  let kind = u32(pool[router].x);
  let width = u32(pool[router + 1u].y);
  if (kind == KEYS && 4u * i4 < width) { cosines(router, i4, first, count); }
  if (kind > ARROW || 4u * i4 >= width) { return; }
  // Rows past the width and tokens past the count: the last again.
  let row = router + u32(pool[router + 2u].x) + min(vec4u(4u * i4) + vec4u(0u, 1u, 2u, 3u), vec4u(width - 1u)) * HIDDEN4;
  var from_x: array<u32, TOKENS>;
  for (var n = 0u; n < TOKENS; n++) { from_x[n] = (first + min(n, count - 1u)) * HIDDEN4; }
  var sums = array<vec4f, TOKENS>();
  for (var k = 0u; k < HIDDEN4; k++) {
    let rows = mat4x4f(pool[row.x + k], pool[row.y + k], pool[row.z + k], pool[row.w + k]);
    for (var n = 0u; n < TOKENS; n++) { sums[n] = add_rows(sums[n], rows, x[from_x[n] + k]); }
  }
  for (var n = 0u; n < count; n++) {
    let inside = vec4u(4u * i4) + vec4u(0u, 1u, 2u, 3u) < vec4u(width);
    gate[(first + n) * u32(GATE_WIDTH / 4) + i4] = select(vec4f(0.0), activated(router, kind, i4, sums[n]), inside);
  }
}

fn activated(router: u32, kind: u32, i4: u32, sums: vec4f) -> vec4f {
  if (kind == ARROW) { return abs(sums); }
  let a = sums + pool[router + u32(pool[router + 2u].y) + i4];
  return a / (1.0 + exp(-a));
}
