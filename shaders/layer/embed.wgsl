// Semantics: ids[t] = the token's id, or the one sampled last for its sequence; residual[t] = SCALE · table[ids[t]]
// Shapes: residual [T, COLS] f32, ids [T], sampled [rows]. The table is [ROWS, COLS] of its format, or a shard of it that
// begins at FIRST_ROW: then only the shard that has the id writes the residual.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(5) var<storage, read> sampled: array<u32>;
@group(0) @binding(6) var<storage, read_write> residual: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> ids: array<u32>;

const COLS4 = u32(COLS / 4);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.x;
  var id = tokens[token].id;
  if (id == ON_DEVICE) { id = sampled[sequences[tokens[token].sequence].slot]; }
  if (lane == 0u) { ids[token] = id; }
  if (id < FIRST_ROW || id >= FIRST_ROW + ROWS) { return; }
  for (var i = lane; i < COLS4; i += 64u) {
    residual[token * COLS4 + i] = weights_4(id - FIRST_ROW, i) * SCALE;
  }
}
