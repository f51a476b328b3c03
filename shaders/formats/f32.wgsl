// Weights held as f32: quants[row][cols / 4], four columns each. `scales` is not read.

@group(0) @binding(1) var<storage, read> quants: array<vec4f>;

// Two to a chunk where the columns allow it.
const PARTS = u32(2 - COLS / 4 % 2);
const CHUNKS = u32(COLS / 4) / PARTS;

fn dequantized(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  var weights: array<vec4f, PARTS>;
  for (var i = 0u; i < PARTS; i++) {
    weights[i] = quants[(row * CHUNKS + chunk) * PARTS + i];
  }
  return weights;
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  return quants[row * CHUNKS * PARTS + column4];
}
