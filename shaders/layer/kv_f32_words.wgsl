// Keys and values as they lie in the pool's pages: f32, four elements of a head together, in a pool that is bound as words.
alias Cell4 = vec4u;

fn widened(stored: Cell4) -> vec4f {
  return bitcast<vec4f>(stored);
}

fn narrowed(value: vec4f) -> Cell4 {
  return bitcast<vec4u>(value);
}
