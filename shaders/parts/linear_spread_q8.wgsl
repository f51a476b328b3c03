// Lanes that need the same block of activations share one load of it: of every eight, each loads one word, and the
// words are broadcast. A broadcast costs a tenth of a load on lavapipe, which knows no uniform loads inside loops.
// For subgroups of at least 8 lanes, dealt in order; all lanes must be active.
fn tile_activations(token: u32, block: u32, lane: u32) -> Activations {
  let at = token * BLOCKS + block;
  let word = x[2u * at + (lane & 7u) / 4u][lane & 3u];
  return PackedBlock(
    vec4u(
      subgroupBroadcast(word, 0u),
      subgroupBroadcast(word, 1u),
      subgroupBroadcast(word, 2u),
      subgroupBroadcast(word, 3u),
    ),
    vec4u(
      subgroupBroadcast(word, 4u),
      subgroupBroadcast(word, 5u),
      subgroupBroadcast(word, 6u),
      subgroupBroadcast(word, 7u),
    ),
    xs[at],
  );
}
