// Semantics: dx[t, offset + c] (+)= Σ_r W[r, c] · dy[t, r], the transpose of project.wgsl: LoRA's B side with W = Bᵀ, and
// gradients for inputs.
// Shapes: W [rows, columns], dy [T, rows], dx [T, dx stride], all f32; columns, stride and offset in whole vec4s.
// Thread: four columns for TILE tokens.
struct Sizes {
  rows: u32,
  columns4: u32,
  stride4: u32,  // of dx
  offset4: u32,
}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> sizes: Sizes;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;

const TILE = 4u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let first = id.y * TILE;
  if (column >= sizes.columns4) { return; }
  // Tokens past the end compute the last one again and store nothing.
  let last = step.tokens - 1u;
  let source = min(vec4u(first, first + 1u, first + 2u, first + 3u), vec4u(last)) * sizes.rows;
  var sums: array<vec4f, TILE>;
  for (var r = 0u; r < sizes.rows; r++) {
    let w = weight[r * sizes.columns4 + column];
    sums[0] = fma(vec4f(dy[source.x + r]), w, sums[0]);
    sums[1] = fma(vec4f(dy[source.y + r]), w, sums[1]);
    sums[2] = fma(vec4f(dy[source.z + r]), w, sums[2]);
    sums[3] = fma(vec4f(dy[source.w + r]), w, sums[3]);
  }
  for (var t = 0u; t < TILE; t++) {
    if (first + t > last) { break; }
    let at = (first + t) * sizes.stride4 + sizes.offset4 + column;
    if (ADD) { dx[at] += sums[t]; } else { dx[at] = sums[t]; }
  }
}
