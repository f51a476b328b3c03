// For many tokens: a workgroup of 8 by 8 lanes computes TILE_ROWS rows for TILE_TOKENS tokens,
// bringing DEPTH chunks of both into shared memory at a time.
const SIDE = 8u;
const LANE_ROWS = u32(TILE_ROWS / 8);
const LANE_TOKENS = u32(TILE_TOKENS / 8);

var<workgroup> tile_w: array<Weights, TILE_ROWS * DEPTH>;
var<workgroup> tile_x: array<Activations, TILE_TOKENS * DEPTH>;

fn project(group: vec3u, lane: u32) {
  let tokens = token_count();
  let row0 = group.x * TILE_ROWS;
  let token0 = group.y * TILE_TOKENS;
  var sums: array<array<f32, LANE_TOKENS>, LANE_ROWS>;
  for (var chunk0 = 0u; chunk0 < DOT_CHUNKS; chunk0 += DEPTH) {
    let depth = min(DEPTH, DOT_CHUNKS - chunk0);
    for (var i = lane; i < TILE_ROWS * depth; i += WORKGROUP) {
      tile_w[i % depth * TILE_ROWS + i / depth] = load_weights(min(row0 + i / depth, ROWS - 1u), chunk0 + i % depth);
    }
    for (var i = lane; i < TILE_TOKENS * depth; i += WORKGROUP) {
      tile_x[i % depth * TILE_TOKENS + i / depth] =
        load_activations(min(token0 + i / depth, tokens - 1u), chunk0 + i % depth);
    }
    workgroupBarrier();
    for (var d = 0u; d < depth; d++) {
      var w: array<Weights, LANE_ROWS>;
      for (var r = 0u; r < LANE_ROWS; r++) {
        w[r] = tile_w[d * TILE_ROWS + r * SIDE + lane / SIDE];
      }
      for (var t = 0u; t < LANE_TOKENS; t++) {
        let v = tile_x[d * TILE_TOKENS + t * SIDE + lane % SIDE];
        for (var r = 0u; r < LANE_ROWS; r++) {
          sums[r][t] = accumulate(sums[r][t], w[r], v);
        }
      }
    }
    workgroupBarrier();
  }
  for (var r = 0u; r < LANE_ROWS; r++) {
    for (var t = 0u; t < LANE_TOKENS; t++) {
      let row = row0 + r * SIDE + lane / SIDE;
      let token = token0 + t * SIDE + lane % SIDE;
      if (row < ROWS && token < tokens) { store(token, row, sums[r][t]); }
    }
  }
}
