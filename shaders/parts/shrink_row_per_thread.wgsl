// Body for software adapters: a thread computes one row of A.
fn shrink(group: u32, token0: u32, lane: u32) {
  let task = shrink_task(group, token0, WORKGROUP);
  let address = adapter_of(task);
  if (address == 0u) { return; }
  let member = (task.first + lane) % GROUP;
  let r = (task.first + lane) / GROUP;
  let header = adapters[address + MODULE0 + member];
  if (r >= min(u32(header.z), RANK4) * 4u) { return; }
  if (r >= u32(header.w)) {
    store_shrunk(task, member, r, 0.0);
    return;
  }
  let a = address + u32(header.x) + r * COLS4;
  let v = task.token * COLS4;
  var sum = vec4f(0.0);
  for (var k = 0u; k < COLS4; k++) {
    sum = fma(adapters[a + k], xf[v + k], sum);
  }
  store_shrunk(task, member, r, (sum.x + sum.y) + (sum.z + sum.w));
}
