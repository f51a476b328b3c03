// Semantics: y[t, r] = Σ_c W[r, c] · x[t, offset + c] (+ bias[r])
// Shapes: W [rows, columns], x [T, x stride], y [T, rows], bias [rows], all f32; columns, stride and offset in whole vec4s.
// For the few rows of a LoRA or a router: a thread has one row of W and TILE tokens.
struct Sizes {
  rows: u32,
  columns4: u32,
  stride4: u32,  // of x
  offset4: u32,
}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> sizes: Sizes;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> x: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

const TILE = 4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x % sizes.rows;
  let first = id.x / sizes.rows * TILE;
  if (first >= step.tokens) { return; }
  let last = step.tokens - 1u;
  let source = min(vec4u(first, first + 1u, first + 2u, first + 3u), vec4u(last)) * sizes.stride4 + sizes.offset4;
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  for (var c = 0u; c < sizes.columns4; c++) {
    let w = weight[row * sizes.columns4 + c];
    s0 = fma(w, x[source.x + c], s0);
    s1 = fma(w, x[source.y + c], s1);
    s2 = fma(w, x[source.z + c], s2);
    s3 = fma(w, x[source.w + c], s3);
  }
  let ones = vec4f(1.0);
  var sums = vec4f(dot(s0, ones), dot(s1, ones), dot(s2, ones), dot(s3, ones));
  if (BIAS) { sums += bias[row]; }
  for (var t = 0u; t < TILE; t++) {
    if (first + t <= last) { y[(first + t) * sizes.rows + row] = sums[t]; }
  }
}
