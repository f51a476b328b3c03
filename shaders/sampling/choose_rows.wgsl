// Semantics: logits[r] = others[r] for the rows r that are taken (taken[r] ≠ 0); the others stay.
// Shapes: taken [R] u32; others, logits [R, VOCAB] f32. A thread an element.
@group(0) @binding(0) var<storage, read> taken: array<u32>;
@group(0) @binding(1) var<storage, read> others: array<f32>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u) {
  if (taken[group.y] == 0u || id.x >= VOCAB) { return; }
  let at = group.y * VOCAB + id.x;
  logits[at] = others[at];
}
