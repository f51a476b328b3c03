// Rows of logits whose length is a multiple of 4, read four at a time.
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;

fn raw4(r: u32, i: u32) -> vec4f {
  return logits[r * N4 + i];
}
