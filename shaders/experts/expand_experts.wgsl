// Semantics: y[s, p · ROWS + r] += Σ_j B_p[expert of slot s][r, :] · shrunk[s, j, p, :] over the entries j of the slot's token
// s / USED whose adapter has the part (gates are in `shrunk`, scales in B).
// Shapes: y [T · USED, PARTS · ROWS] f32; the others as shrink_experts.wgsl has them. A thread an element.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> table: array<Entry>;
@group(0) @binding(2) var<storage, read> pool: array<vec4f>;
@group(0) @binding(3) var<storage, read> shrunk: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x * 64u + lane;
  if (row >= PARTS * ROWS) { return; }
  let slot = group.y;
  let part = row / ROWS;
  let expert = expert_of(slot);
  var sum = 0.0;
  for (var j = 0u; j < step.entries; j++) {
    let entry = table[slot / USED * ENTRIES + j];
    if (entry.expert == NO_EXPERT) { break; }
    if (entry.address == 0u) { continue; }
    let headers = u32(pool[entry.address + HEADERS].y);
    if (headers == 0u) { continue; }
    let header = pool[entry.address + headers + PART0 + part];
    let rank4 = (u32(header.z) + 3u) / 4u;
    let b = entry.address + u32(header.y) + (expert * ROWS + row % ROWS) * rank4;
    let h = ((slot * ENTRIES + j) * PARTS + part) * RANK4;
    for (var r = 0u; r < rank4; r++) { sum += dot(pool[b + r], shrunk[h + r]); }
  }
  y[slot * PARTS * ROWS + row] += sum;
}
