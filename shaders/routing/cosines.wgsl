// gate[t, i] of a router of keys, for four keys and `count` tokens: the cosine of x[t] − c and key i, 0 where x[t] = c.
fn cosines(router: u32, i4: u32, first: u32, count: u32) {
  let width = u32(pool[router + 1u].y);
  let inside = vec4u(4u * i4) + vec4u(0u, 1u, 2u, 3u) < vec4u(width);
  // Rows past the width: the last again.
  let row = router + u32(pool[router + 2u].x) + min(vec4u(4u * i4) + vec4u(0u, 1u, 2u, 3u), vec4u(width - 1u)) * HIDDEN4;
  let center = router + u32(pool[router + 2u].y);
  for (var t = first; t < first + count; t++) {
    var sums = vec4f(0.0);
    var squares = vec4f(0.0);
    for (var k = 0u; k < HIDDEN4; k++) {
      let v = x[t * HIDDEN4 + k] - pool[center + k];
      let rows = mat4x4f(pool[row.x + k], pool[row.y + k], pool[row.z + k], pool[row.w + k]);
      sums = add_rows(sums, rows, v);
      squares = fma(v, v, squares);
    }
    let square = (squares.x + squares.y) + (squares.z + squares.w);
    let similar = select(vec4f(0.0), sums * inverseSqrt(square), square > 0.0);
    gate[t * u32(GATE_WIDTH / 4) + i4] = select(vec4f(0.0), similar, inside);
  }
}
