// Semantics: order[bounds[e]] … order[bounds[e + 1] - 1] = the slots t · USED + k with chosen[t, k] = e, in their order.
// Shapes: chosen [T, USED]; order [T · USED]; bounds [EXPERTS + 1]. One workgroup.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> chosen: array<u32>;
@group(0) @binding(2) var<storage, read_write> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> bounds: array<u32>;

const THREADS = 256u;
var<workgroup> counts: array<u32, EXPERTS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  let slots = step.tokens * USED;
  for (var e = lane; e < EXPERTS; e += THREADS) {
    var count = 0u;
    for (var slot = 0u; slot < slots; slot++) { count += select(0u, 1u, chosen[slot] == e); }
    counts[e] = count;
  }
  workgroupBarrier();
  for (var e = lane; e < EXPERTS; e += THREADS) {
    var place = 0u;
    for (var before = 0u; before < e; before++) { place += counts[before]; }
    bounds[e] = place;
    for (var slot = 0u; slot < slots; slot++) {
      if (chosen[slot] == e) {
        order[place] = slot;
        place++;
      }
    }
    if (e == EXPERTS - 1u) { bounds[EXPERTS] = place; }
  }
}
