// RMSNorm's scale of a row that a workgroup's lanes share, each having the squares of its own part.
const HIDDEN4 = u32(HIDDEN / 4);
const WORKGROUP = 64u;
var<workgroup> partial: array<f32, WORKGROUP>;

fn inverse_rms(lane: u32, squares: f32) -> f32 {
  partial[lane] = squares;
  workgroupBarrier();
  if (lane == 0u) {
    var sum = squares;
    for (var i = 1u; i < WORKGROUP; i++) { sum += partial[i]; }
    partial[0] = sum;
  }
  return inverse_rms_of(workgroupUniformLoad(&partial[0]) / f32(HIDDEN));
}
