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

// The nibbles of a byte are worth QUANT_UNIT of what they are converted to: left where they lie in their word, they need no
// shift, and a power of two rounds nothing.
const QUANT_UNIT = vec4f(1, 0x1p-8, 0x1p-16, 0x1p-24);

fn quants_as_they_lie(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let low = quants[row * CHUNKS + chunk];
  let high = low >> vec4u(4);
  return array(
    in_place(low.x),
    in_place(low.y),
    in_place(low.z),
    in_place(low.w),
    in_place(high.x),
    in_place(high.y),
    in_place(high.z),
    in_place(high.w),
  );
}

// Signed, because a processor converts those in one instruction.
fn in_place(word: u32) -> vec4f {
  return vec4f(bitcast<vec4i>(vec4u(word) & vec4u(0xf, 0xf00, 0xf0000, 0xf000000)));
}

fn scale_of(row: u32, chunk: u32) -> vec2f {
  return unpack2x16float(scales[row * CHUNKS + chunk]);
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  let block = row * CHUNKS + column4 / 8u;
  let word = quants[block][column4 % 4u] >> (((column4 / 4u) & 1u) * 4u);
  return affine(word & NIBBLES, unpack2x16float(scales[block]));
}
