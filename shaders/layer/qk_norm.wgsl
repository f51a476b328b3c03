// RMSNorm of q and of k (Zhang & Sennrich 2019, eq. 4), over NORM_Q and NORM_K rows at a time. qk_norm [NORM_Q + NORM_K].
@group(0) @binding(NORM_BINDING) var<storage, read> qk_norm: array<f32>;

const NORM_LANES = 64u;
var<workgroup> partial: array<f32, NORM_LANES>;

// What the rows that `row` of q (member 0) or k (1) is normed with are scaled by; v (2) is kept.
fn qk_scale(token: u32, member: u32, row: u32, lane: u32) -> f32 {
  if (member == 2u) { return 1.0; }
  let rows = select(u32(NORM_Q), u32(NORM_K), member == 1u);
  let first = row / rows * rows;
  var squares = 0.0;
  for (var i = 4u * lane; i < rows; i += 4u * NORM_LANES) {
    let v = row4(token, member, first + i);
    squares += dot(v, v);
  }
  partial[lane] = squares;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < NORM_LANES; i++) { squares += partial[i]; }
    partial[0] = squares;
  }
  return inverse_rms_of(workgroupUniformLoad(&partial[0]) / f32(rows));
}

fn qk_weight(member: u32, row: u32) -> f32 {
  if (member == 2u) { return 1.0; }
  if (member == 1u) { return qk_norm[NORM_Q + row % NORM_K]; }
  return qk_norm[row % NORM_Q];
}
