// Semantics: dx[t, DX_OFFSET + c] (+)= Σ_r W[r, c] · dy[t, DY_OFFSET + r]   (Wᵀ dy: the gradient of y = W x for its input)
// Shapes: W [ROWS, COLS] in a device format (formats/), dy [T, DY_STRIDE], dx [T, DX_STRIDE] f32; offsets and strides
// of dx in whole vec4s. ADD: adds to what is there, as further shards of the rows of W do.
// Thread: one chunk of columns (what one load of the weights holds) for TILE tokens; nothing is shared.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;

const TILE = 4u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let chunk = id.x;
  let first = id.y * TILE;
  if (chunk >= CHUNKS) { return; }
  // Tokens past the end compute the last one again and store nothing.
  var source: array<u32, TILE>;
  for (var t = 0u; t < TILE; t++) { source[t] = min(first + t, step.tokens - 1u) * DY_STRIDE + DY_OFFSET; }
  var sums: array<array<vec4f, PARTS>, TILE>;
  for (var r = 0u; r < ROWS; r++) {
    let w = dequantized(r, chunk);
    for (var t = 0u; t < TILE; t++) {
      let g = vec4f(dy[source[t] + r]);
      for (var p = 0u; p < PARTS; p++) { sums[t][p] = fma(g, w[p], sums[t][p]); }
    }
  }
  for (var t = 0u; t < TILE; t++) {
    if (first + t >= step.tokens) { break; }
    let at = ((first + t) * DX_STRIDE + DX_OFFSET) / 4u + chunk * PARTS;
    for (var p = 0u; p < PARTS; p++) {
      if (ADD) { dx[at + p] += sums[t][p]; } else { dx[at + p] = sums[t][p]; }
    }
  }
}
