// Semantics: for each row of logits, the table entries that its token had in every layer, packed for the host.
// Shapes: table [LAYERS, STRIDE], of which [T, ENTRIES] are used; trace [R, LAYERS, ENTRIES] of (expert, gate as f32 bits).
@group(0) @binding(0) var<storage, read> rows: array<LogitRow>;
@group(0) @binding(1) var<storage, read> table: array<Entry>;
@group(0) @binding(2) var<storage, read_write> trace: array<vec2u>;

const CELLS = u32(LAYERS * ENTRIES);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = rows[group.x].token;
  for (var i = lane; i < CELLS; i += 64u) {
    let entry = table[(i / ENTRIES) * STRIDE + token * ENTRIES + i % ENTRIES];
    trace[group.x * CELLS + i] = vec2u(entry.expert, bitcast<u32>(entry.gate));
  }
}
