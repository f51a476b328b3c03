// Two vec4s of x from `column4` on; of every eight lanes, each loads one float, and the floats are broadcast (see
// parts/linear_spread_f32.wgsl). The second may lie past the row, and is not used then.
fn spread_x(token: u32, column4: u32, lane: u32) -> array<vec4f, 2> {
  let float = xf[token * COLS4 + min(column4 + (lane & 7u) / 4u, COLS4 - 1u)][lane & 3u];
  return array(
    vec4f(
      subgroupBroadcast(float, 0u),
      subgroupBroadcast(float, 1u),
      subgroupBroadcast(float, 2u),
      subgroupBroadcast(float, 3u),
    ),
    vec4f(
      subgroupBroadcast(float, 4u),
      subgroupBroadcast(float, 5u),
      subgroupBroadcast(float, 6u),
      subgroupBroadcast(float, 7u),
    ),
  );
}
