// Semantics: y[s, r] = Σ_k W[chosen[s], r, k] · x[row, k] for slots s = t · USED + k whose expert is one of [FIRST, FIRST + COUNT);
// row = t where PER_TOKEN, else s. Others' rows of y stay.
// Shapes: W [COUNT · ROWS, COLS] in a device format (formats/), x [T or T · USED, COLS] f32, y [T · USED, ROWS] f32; order
// (sort_experts.wgsl), so that slots of one expert are neighbours; chosen [T · USED]. Accumulates in f32.
// One workgroup: TILE_ROWS rows of one slot, whose lanes share the columns.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read> chosen: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let slot = order[group.y];
  let expert = chosen[slot];
  if (expert < FIRST || expert >= FIRST + COUNT) { return; }
  let row0 = group.x * TILE_ROWS;
  let base = (expert - FIRST) * ROWS + row0;
  let row = select(slot, slot / USED, PER_TOKEN);
  var sums: array<f32, TILE_ROWS>;
  for (var chunk = lane; chunk < DOT_CHUNKS; chunk += WORKGROUP) {
    let v = load_activations(row, chunk);
    for (var r = 0u; r < TILE_ROWS; r++) { sums[r] = accumulate(sums[r], load_weights(base + r, chunk), v); }
  }
  for (var r = 0u; r < TILE_ROWS; r++) { put_sum(r, lane, sums[r]); }
  settle_sums(TILE_ROWS, lane);
  if (lane < TILE_ROWS) { y[slot * ROWS + row0 + lane] = take_sum(lane); }
}
