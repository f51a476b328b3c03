// Semantics: dW[r, c] += Σ_t u[t, r] · x[t, offset + c]   (dy xᵀ: the gradient of y = W x for W, over the step's tokens)
// Shapes: u [T, rows], x [T, x stride], dW [rows, columns] f32; all in whole vec4s. Thread: a square of 4 × 4 of dW.
struct Sizes {
  rows4: u32,
  columns4: u32,
  stride4: u32,  // of x
  offset4: u32,
}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> sizes: Sizes;
@group(0) @binding(2) var<storage, read> u: array<vec4f>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dw: array<vec4f>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y;
  if (column >= sizes.columns4) { return; }
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  for (var t = 0u; t < step.tokens; t++) {
    let g = u[t * sizes.rows4 + row];
    let v = x[t * sizes.stride4 + sizes.offset4 + column];
    s0 = fma(vec4f(g.x), v, s0);
    s1 = fma(vec4f(g.y), v, s1);
    s2 = fma(vec4f(g.z), v, s2);
    s3 = fma(vec4f(g.w), v, s3);
  }
  let at = row * 4u * sizes.columns4 + column;
  dw[at] += s0;
  dw[at + sizes.columns4] += s1;
  dw[at + 2u * sizes.columns4] += s2;
  dw[at + 3u * sizes.columns4] += s3;
}
