// Body for software adapters: a thread walks its own TILE_ROWS rows for TILE_TOKENS tokens. There a load costs more than
// arithmetic and a barrier costs most, so shared memory is not used and every load serves the whole tile.
// Threads past the end compute the last row (or token) again instead of branching, and store nothing.

fn project(group: vec3u, lane: u32) {
  let tokens = token_count();
  let row0 = (group.x * WORKGROUP + lane) * TILE_ROWS;
  let token0 = group.y * TILE_TOKENS;
  var sums: array<array<f32, TILE_TOKENS>, TILE_ROWS>;
  for (var chunk = 0u; chunk < DOT_CHUNKS; chunk++) {
    var w: array<Weights, TILE_ROWS>;
    for (var r = 0u; r < TILE_ROWS; r++) {
      w[r] = load_weights(min(row0 + r, ROWS - 1u), chunk);
    }
    for (var t = 0u; t < TILE_TOKENS; t++) {
      let v = tile_activations(min(token0 + t, tokens - 1u), chunk, lane);
      for (var r = 0u; r < TILE_ROWS; r++) {
        sums[r][t] = accumulate(sums[r][t], w[r], v);
      }
    }
  }
  for (var r = 0u; r < TILE_ROWS; r++) {
    for (var t = 0u; t < TILE_TOKENS; t++) {
      if (row0 + r < ROWS && token0 + t < tokens) { store(token0 + t, row0 + r, sums[r][t]); }
    }
  }
}
