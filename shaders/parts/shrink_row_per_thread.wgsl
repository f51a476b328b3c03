// Body for software adapters: a thread computes one row of A. Lanes past the rank stay, and help to load x.
fn shrink(group: u32, token0: u32, lane: u32) {
  let task = shrink_task(group, token0, WORKGROUP);
  let address = adapter_of(task);
  if (address == 0u) { return; }
  let member = (task.first + lane) % GROUP;
  let r = (task.first + lane) / GROUP;
  let header = adapters[address + MODULE0 + member];
  let live = r < u32(header.w);
  let a = address + u32(header.x) + r * COLS4;
  var sum = vec4f(0.0);
  for (var k = 0u; k < COLS4; k += 2u) {
    let v = spread_x(task.token, k, lane);
    if (live) {
      sum = fma(adapters[a + k], v[0], sum);
      if (k + 1u < COLS4) { sum = fma(adapters[a + k + 1u], v[1], sum); }
    }
  }
  if (r < min(u32(header.z), RANK4) * 4u) {
    store_shrunk(task, member, r, (sum.x + sum.y) + (sum.z + sum.w));
  }
}
