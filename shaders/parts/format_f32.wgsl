// Weights held as f32: quants[row][cols / 4], four columns each. `scales` is not read.

@group(0) @binding(1) var<storage, read> quants: array<vec4f>;

const PARTS = 1u;
const CHUNKS = u32(COLS / 4);

fn dequantized(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  return array(quants[row * CHUNKS + chunk]);
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  return quants[row * CHUNKS + column4];
}
