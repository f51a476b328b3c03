// For few tokens: the lanes of a workgroup share TILE_ROWS rows for TILE_TOKENS tokens, each
// lane taking every WORKGROUP-th chunk, so that neighbours read side by side; then they add up.
fn project(group: vec3u, lane: u32) {
  let tokens = token_count();
  let row0 = group.x * TILE_ROWS;
  let token0 = group.y * TILE_TOKENS;
  var sums: array<array<f32, TILE_TOKENS>, TILE_ROWS>;
  for (var chunk = lane; chunk < DOT_CHUNKS; chunk += WORKGROUP) {
    var w: array<Weights, TILE_ROWS>;
    for (var r = 0u; r < TILE_ROWS; r++) {
      w[r] = load_weights(min(row0 + r, ROWS - 1u), chunk);
    }
    for (var t = 0u; t < TILE_TOKENS; t++) {
      let v = load_activations(min(token0 + t, tokens - 1u), chunk);
      for (var r = 0u; r < TILE_ROWS; r++) {
        sums[r][t] = accumulate(sums[r][t], w[r], v);
      }
    }
  }
  for (var r = 0u; r < TILE_ROWS; r++) {
    for (var t = 0u; t < TILE_TOKENS; t++) {
      put_sum(r * TILE_TOKENS + t, lane, sums[r][t]);
    }
  }
  settle_sums(TILE_ROWS * TILE_TOKENS, lane);
  let row = row0 + lane / TILE_TOKENS;
  let token = token0 + lane % TILE_TOKENS;
  if (lane < TILE_ROWS * TILE_TOKENS && row < ROWS && token < tokens) { store(token, row, take_sum(lane)); }
}
