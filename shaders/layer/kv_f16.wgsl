// Keys and values as they lie in the pool's pages: f16, four elements of a head together; beyond ±65504 the largest half.
alias Cell4 = vec2u;

fn widened(stored: Cell4) -> vec4f {
  return vec4f(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn narrowed(value: vec4f) -> Cell4 {
  let v = clamp(value, vec4f(-65504), vec4f(65504));
  return vec2u(pack2x16float(v.xy), pack2x16float(v.zw));
}
