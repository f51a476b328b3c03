// Every lane loads a tile's activations itself.
fn tile_activations(token: u32, chunk: u32, lane: u32) -> Activations {
  return load_activations(token, chunk);
}
