// Sums over a workgroup through shared memory, SUMS of them at once: put_sum by every lane, settle_sums, take_sum.
var<workgroup> partial: array<f32, SUMS * WORKGROUP>;

fn put_sum(index: u32, lane: u32, value: f32) {
  partial[index * WORKGROUP + lane] = value;
}

fn settle_sums(count: u32, lane: u32) {
  for (var width = u32(WORKGROUP / 2); width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) {
      for (var i = 0u; i < count; i++) {
        partial[i * WORKGROUP + lane] += partial[i * WORKGROUP + lane + width];
      }
    }
  }
  workgroupBarrier();
}

fn take_sum(index: u32) -> f32 {
  return partial[index * WORKGROUP];
}
