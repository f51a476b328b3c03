// Semantics: planes[j, t, row] = B[row] · shrunk[t, j, m]   for the (t, j) of a tile, all of one adapter (SGMV, Punica §4)
// Shapes: shrunk [T, ENTRIES, GROUP, RANK4] vec4; planes [ENTRIES, MAX_TOKENS, GROUP_ROWS] f32. Thread: one output row
// against the tile's tokens. Rows of modules that the adapter lacks are written as zero.
@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(2) var<storage, read> tile_count: array<u32>;
@group(0) @binding(3) var<storage, read> pool: array<vec4f>;
@group(0) @binding(4) var<storage, read> shrunk: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> planes: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u) {
  if (group.y >= tile_count[0] || id.x >= GROUP_ROWS) { return; }
  let tile = tiles[group.y];
  let row = id.x;
  let member = select(0u, select(1u, 2u, GROUP > 2 && row >= ROW_2), GROUP > 1 && row >= ROW_1);
  let within = row - select(0u, select(u32(ROW_1), u32(ROW_2), member == 2u), member > 0u);
  let header = pool[tile.x + MODULE0 + member];
  let rank4 = u32(header.z);
  let b = tile.x + u32(header.y) + within * rank4;
  for (var n = 0u; n < tile.z; n++) {
    let at = order[tile.y + n];
    let h = (at * GROUP + member) * RANK4;
    var part = vec4f(0.0);
    for (var r = 0u; r < rank4; r++) {
      part = fma(pool[b + r], shrunk[h + r], part);
    }
    let plane = (at % ENTRIES) * MAX_TOKENS + at / ENTRIES;
    planes[plane * GROUP_ROWS + row] = (part.x + part.y) + (part.z + part.w);
  }
}
