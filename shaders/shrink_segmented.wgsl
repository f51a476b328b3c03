// Semantics: shrunk[t, j, m, r] = gate · Σ_k A_m[r, k] · x[t, k]   for the (t, j) of a tile, all of one adapter (SGMV, Punica §4)
// Shapes: x [T, IN] f32; shrunk [T, ENTRIES, GROUP, 4·RANK4]. Thread: one row of A against the tile's tokens, four at a time.
// Lanes of a rank's last vec4 beyond the rank are written as zero.
@group(0) @binding(0) var<storage, read> table: array<Entry>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(3) var<storage, read> tile_count: array<u32>;
@group(0) @binding(4) var<storage, read> x: array<vec4f>;
@group(0) @binding(5) var<storage, read> pool: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> shrunk: array<f32>;

const IN4 = u32(IN / 4);

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u) {
  if (group.y >= tile_count[0]) { return; }
  let tile = tiles[group.y];
  let address = tile.x;
  var row = id.x;
  var member = 0u;
  var header = pool[address + MODULE0];
  while (row >= u32(header.z) * 4u) {
    row -= u32(header.z) * 4u;
    member++;
    if (member == GROUP) { return; }
    header = pool[address + MODULE0 + member];
  }
  let real = row < u32(header.w);
  let a = address + u32(header.x) + select(0u, row, real) * IN4;
  for (var n = 0u; n < tile.z; n += 4u) {
    let last = tile.z - 1u;
    let at = vec4u(order[tile.y + n], order[tile.y + min(n + 1u, last)], order[tile.y + min(n + 2u, last)],
      order[tile.y + min(n + 3u, last)]);
    let source = at / vec4u(ENTRIES) * IN4;
    var s0 = vec4f(0.0);
    var s1 = vec4f(0.0);
    var s2 = vec4f(0.0);
    var s3 = vec4f(0.0);
    for (var k = 0u; k < IN4; k++) {
      let weight = pool[a + k];
      s0 = fma(weight, x[source.x + k], s0);
      s1 = fma(weight, x[source.y + k], s1);
      s2 = fma(weight, x[source.z + k], s2);
      s3 = fma(weight, x[source.w + k], s3);
    }
    put(at.x, member, row, real, s0);
    put(at.y, member, row, real, s1);
    put(at.z, member, row, real, s2);
    put(at.w, member, row, real, s3);
  }
}

fn put(at: u32, member: u32, row: u32, real: bool, sum: vec4f) {
  let value = bitcast<f32>(table[at].gate) * ((sum.x + sum.y) + (sum.z + sum.w));
  shrunk[(at * GROUP + member) * (4 * RANK4) + row] = select(0.0, value, real);
}
