// Lanes that need the same activations share their loads: of every eight, each loads one float of two vec4s, and the
// floats are broadcast. A broadcast costs a tenth of a load on lavapipe, which knows no uniform loads inside loops.
// For subgroups of at least 8 lanes, dealt in order; all lanes must be active.
fn tile_activations(token: u32, chunk: u32, lane: u32) -> Activations {
  let at = (token * CHUNKS + chunk) * PARTS;
  var values: array<vec4f, PARTS>;
  for (var i = 0u; i < PARTS; i += 2u) {
    let part = min(i + (lane & 7u) / 4u, PARTS - 1u);
    let float = x[at + part][lane & 3u];
    values[i] = vec4f(
      subgroupBroadcast(float, 0u),
      subgroupBroadcast(float, 1u),
      subgroupBroadcast(float, 2u),
      subgroupBroadcast(float, 3u),
    );
    if (i + 1u < PARTS) {
      values[i + 1u] = vec4f(
        subgroupBroadcast(float, 4u),
        subgroupBroadcast(float, 5u),
        subgroupBroadcast(float, 6u),
        subgroupBroadcast(float, 7u),
      );
    }
  }
  return activations_of(values);
}
