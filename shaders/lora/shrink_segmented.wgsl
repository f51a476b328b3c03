// Semantics: shrunk[t, j, m, r] = gate · Σ_k A_m[r, k] · x[t, k]   for the (t, j) of a tile, all of one adapter (SGMV, Punica §4)
// Shapes: x [T, IN] f32; shrunk [T, ENTRIES, GROUP, 4·RANK4]. Thread: two rows of A against the tile's tokens, four at a
// time: loads cost more than arithmetic.
// Lanes of a rank's last vec4 beyond the rank are written as zero.
@group(0) @binding(0) var<storage, read> table: array<Entry>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(3) var<storage, read> tile_count: array<u32>;
@group(0) @binding(4) var<storage, read> x: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> shrunk: array<f32>;

const IN4 = u32(IN / 4);

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (group.y >= tile_count[0]) { return; }
  let tile = tiles[group.y];
  let address = tile.x;
  var row = 2u * (group.x * 32u + lane);
  var member = 0u;
  var header = adapter(address + MODULE0);
  while (row >= (u32(header.z) + 3u) / 4u * 4u) {
    row -= (u32(header.z) + 3u) / 4u * 4u;
    member++;
    if (member == GROUP) { return; }
    header = adapter(address + MODULE0 + member);
  }
  let rank = u32(header.z);
  let matrix = u32(i32(address) + i32(header.x));
  let a = matrix + min(row, rank - 1u) * stride_a(IN4);
  let b = matrix + min(row + 1u, rank - 1u) * stride_a(IN4);
  for (var n = 0u; n < tile.z; n += 4u) {
    // Past the tile's end, its last entry again.
    let last = tile.z - 1u;
    let at = vec4u(order[tile.y + n], order[tile.y + min(n + 1u, last)], order[tile.y + min(n + 2u, last)],
      order[tile.y + min(n + 3u, last)]);
    let source = at / vec4u(ENTRIES) * IN4;
    var sums_a = array<vec4f, 4>();
    var sums_b = array<vec4f, 4>();
    for (var k = 0u; k < IN4; k++) {
      let weight_a = factor_a(a, k, IN4);
      let weight_b = factor_a(b, k, IN4);
      for (var t = 0u; t < 4u; t++) {
        let v = x[source[t] + k];
        sums_a[t] = fma(weight_a, v, sums_a[t]);
        sums_b[t] = fma(weight_b, v, sums_b[t]);
      }
    }
    for (var t = 0u; t < 4u; t++) {
      let put = (at[t] * GROUP + member) * (4 * RANK4) + row;
      let gate = table[at[t]].gate;
      shrunk[put] = select(0.0, gate * across(sums_a[t]), row < rank);
      shrunk[put + 1u] = select(0.0, gate * across(sums_b[t]), row + 1u < rank);
    }
  }
}

fn across(sum: vec4f) -> f32 {
  return (sum.x + sum.y) + (sum.z + sum.w);
}
