// Semantics: squares[FIRST_ROW + r] = Σ_k W[r, k]²
// Shapes: W [ROWS, COLS] in a device format (formats/), or a shard of it; squares [all rows] f32. One thread a row.
// Source: the row norms of DoRA, Liu et al. 2024, eq. 5.
@group(0) @binding(0) var<storage, read_write> squares: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= ROWS) { return; }
  var sum = vec4f(0.0);
  for (var i = 0u; i < u32(COLS / 4); i++) {
    let w = weights_4(row, i);
    sum = fma(w, w, sum);
  }
  squares[FIRST_ROW + row] = (sum.x + sum.y) + (sum.z + sum.w);
}
