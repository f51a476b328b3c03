// Sums over a workgroup, SUMS of them at once: put_sum by every lane, settle_sums, take_sum. Each subgroup adds up by
// itself, its sum goes to shared memory, and who takes a sum adds up the subgroups'.
// Lanes are taken to be dealt to subgroups in order, as every driver does for workgroups of one dimension.
var<workgroup> partial: array<f32, SUMS * WORKGROUP>;
var<private> subgroup_lanes: u32;

fn put_sum(index: u32, lane: u32, value: f32) {
  let sum = subgroupAdd(value);
  subgroup_lanes = subgroupAdd(1u);
  if (lane % subgroup_lanes == 0u) { partial[index * WORKGROUP + lane / subgroup_lanes] = sum; }
}

fn settle_sums(count: u32, lane: u32) {
  workgroupBarrier();
}

fn take_sum(index: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < WORKGROUP / subgroup_lanes; i++) { sum += partial[index * WORKGROUP + i]; }
  return sum;
}
