// Keys and values as they lie in the pool's pages: f32, four elements of a head together.
alias Cell4 = vec4f;

fn widened(stored: Cell4) -> vec4f {
  return stored;
}

fn narrowed(value: vec4f) -> Cell4 {
  return value;
}
