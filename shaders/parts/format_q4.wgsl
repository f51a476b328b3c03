// Weights held as 4 bits with a scale and a minimum per 32 columns (GGUF's q4_0 and q4_1): quants[row][cols / 32]
// (vec4u; the low nibble of byte i is column i, the high nibble column 16 + i), scales[row][cols / 32] (f16 d, f16 m).
// weight = d * nibble + m.

@group(0) @binding(1) var<storage, read> quants: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

const PARTS = 8u;
const CHUNKS = u32(COLS / 32);
const NIBBLES = 0x0f0f0f0fu;

fn dequantized(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let v = quants[row * CHUNKS + chunk];
  let scale = unpack2x16float(scales[row * CHUNKS + chunk]);
  let low = v & vec4u(NIBBLES);
  let high = (v >> vec4u(4)) & vec4u(NIBBLES);
  return array(
    affine(low.x, scale),
    affine(low.y, scale),
    affine(low.z, scale),
    affine(low.w, scale),
    affine(high.x, scale),
    affine(high.y, scale),
    affine(high.z, scale),
    affine(high.w, scale),
  );
}

fn affine(word: u32, scale: vec2f) -> vec4f {
  return fma(vec4f(scale.x), vec4f(unpack4xU8(word)), vec4f(scale.y));
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  let block = row * CHUNKS + column4 / 8u;
  let word = quants[block][column4 % 4u] >> (((column4 / 4u) & 1u) * 4u);
  return affine(word & NIBBLES, unpack2x16float(scales[block]));
}

// One block of 32 columns as int8 (0…15), and (scale, minimum).
fn quantized(row: u32, block: u32) -> PackedBlock {
  let at = row * CHUNKS + block;
  let v = quants[at];
  return PackedBlock(v & vec4u(NIBBLES), (v >> vec4u(4)) & vec4u(NIBBLES), unpack2x16float(scales[at]));
}
