// The lanes of a workgroup share each of SHRINK_ROWS rows of A, reading side by side.
fn shrink(group: u32, token0: u32, lane: u32) {
  let task = shrink_task(group, token0, SHRINK_ROWS);
  let address = adapter_of(task);
  if (address == 0u) { return; }
  let v = task.token * COLS4;
  for (var i = 0u; i < SHRINK_ROWS; i++) {
    let member = (task.first + i) % GROUP;
    let r = (task.first + i) / GROUP;
    let header = adapter(address + MODULE0 + member);
    var sum = 0.0;
    if (r < u32(header.z)) {
      let a = u32(i32(address) + i32(header.x)) + r * stride_a(COLS4);
      for (var k = lane; k < COLS4; k += WORKGROUP) {
        sum += dot(factor_a(a, k, COLS4), xf[v + k]);
      }
    }
    put_sum(i, lane, sum);
  }
  settle_sums(SHRINK_ROWS, lane);
  if (lane < SHRINK_ROWS) {
    let member = (task.first + lane) % GROUP;
    let r = (task.first + lane) / GROUP;
    let header = adapter(address + MODULE0 + member);
    if (r < min((u32(header.z) + 3u) / 4u, RANK4) * 4u) { store_shrunk(task, member, r, take_sum(lane)); }
  }
}
