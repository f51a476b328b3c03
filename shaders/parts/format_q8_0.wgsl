// Weights held as int8 with one scale per 32 columns: quants[row][cols / 16] (vec4u: 16 int8, lowest byte first),
// scales[row][cols / 32] (f32 bits). weight = scale * quant.

@group(0) @binding(1) var<storage, read> quants: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

const PARTS = 4u;
const CHUNKS = u32(COLS / 16);

fn dequantized(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let v = quants[row * CHUNKS + chunk];
  let scale = bitcast<f32>(scales[row * BLOCKS + chunk / 2u]);
  return array(
    scale * vec4f(unpack4xI8(v.x)),
    scale * vec4f(unpack4xI8(v.y)),
    scale * vec4f(unpack4xI8(v.z)),
    scale * vec4f(unpack4xI8(v.w)),
  );
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  let word = quants[row * CHUNKS + column4 / 4u][column4 % 4u];
  return bitcast<f32>(scales[row * BLOCKS + column4 / 8u]) * vec4f(unpack4xI8(word));
}

// One block of 32 columns as int8, and (scale, minimum).
fn quantized(row: u32, block: u32) -> PackedBlock {
  let at = row * CHUNKS + block * 2u;
  return PackedBlock(quants[at], quants[at + 1u], vec2f(bitcast<f32>(scales[row * BLOCKS + block]), 0));
}
