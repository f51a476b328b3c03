// Semantics: planes[j, t, row] = B[row] · shrunk[t, j, m] + gate · (gain[row] · y[t, row] + shift[row])
//   for the (t, j) of a tile, all of one adapter (SGMV, Punica §4); y [T, GROUP_ROWS] f32: the linear layer's own output
// Shapes: shrunk [T, ENTRIES, GROUP, RANK4] vec4; planes [ENTRIES, MAX_TOKENS, GROUP_ROWS] f32. Thread: four output rows
// against the tile's tokens, four at a time. Rows of modules that the adapter lacks are written as zero.
@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(2) var<storage, read> tile_count: array<u32>;
@group(0) @binding(4) var<storage, read> shrunk: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> planes: array<vec4f>;
@group(0) @binding(6) var<storage, read> table: array<Entry>;
@group(0) @binding(7) var<storage, read> y: array<vec4f>;

const PLANE4 = u32(GROUP_ROWS / 4);

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u) {
  if (group.y >= tile_count[0] || id.x >= PLANE4) { return; }
  let tile = tiles[group.y];
  let row = id.x * 4u;
  let member = select(0u, select(1u, 2u, GROUP > 2 && row >= ROW_2), GROUP > 1 && row >= ROW_1);
  let within = row - select(0u, select(u32(ROW_1), u32(ROW_2), member == 2u), member > 0u);
  let header = adapter(tile.x + MODULE0 + member);
  let rank4 = (u32(header.z) + 3u) / 4u;
  let b = u32(i32(tile.x) + i32(header.y)) + within / 4u * stride_b(rank4);
  for (var n = 0u; n < tile.z; n += 4u) {
    // Past the tile's end, its last entry again.
    let last = tile.z - 1u;
    let at = vec4u(order[tile.y + n], order[tile.y + min(n + 1u, last)], order[tile.y + min(n + 2u, last)],
      order[tile.y + min(n + 3u, last)]);
    let h = (at * GROUP + member) * RANK4;
    var s0 = vec4f(0.0);
    var s1 = vec4f(0.0);
    var s2 = vec4f(0.0);
    var s3 = vec4f(0.0);
    for (var r = 0u; r < rank4; r++) {
      let columns = factor_b(b, r, rank4);
      s0 = add_columns(s0, columns, shrunk[h.x + r]);
      s1 = add_columns(s1, columns, shrunk[h.y + r]);
      s2 = add_columns(s2, columns, shrunk[h.z + r]);
      s3 = add_columns(s3, columns, shrunk[h.w + r]);
    }
    if (header.w > 0.0) {
      let rows = tile.x + u32(header.w) + within / 2u;
      let gain = adapter(rows);
      let shift = adapter(rows + 1u);
      s0 = change_rows(s0, table[at.x].gate, gain, shift, y[at.x / ENTRIES * PLANE4 + id.x]);
      s1 = change_rows(s1, table[at.y].gate, gain, shift, y[at.y / ENTRIES * PLANE4 + id.x]);
      s2 = change_rows(s2, table[at.z].gate, gain, shift, y[at.z / ENTRIES * PLANE4 + id.x]);
      s3 = change_rows(s3, table[at.w].gate, gain, shift, y[at.w / ENTRIES * PLANE4 + id.x]);
    }
    let plane = (at % ENTRIES * MAX_TOKENS + at / ENTRIES) * PLANE4 + id.x;
    planes[plane.x] = s0;
    planes[plane.y] = s1;
    planes[plane.z] = s2;
    planes[plane.w] = s3;
  }
}
