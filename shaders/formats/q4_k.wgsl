// Weights held as 4 bits with a scale s and a minimum m per 32 columns, whole numbers of 8 bits, times two halves per 128:
// quants[row][cols / 32] (vec4u; the low nibble of byte i is column i, the high nibble column 16 + i), scales[row][cols / 128]
// (f16 d, f16 e, then s, m of each 32 columns as signed bytes). weight = (d * s) * nibble + e * m.

@group(0) @binding(1) var<storage, read> quants: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

const PARTS = 8u;
const CHUNKS = u32(COLS / 32);
const NIBBLES = 0x0f0f0f0fu;

fn dequantized(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let v = quants[row * CHUNKS + chunk];
  let scale = scale_of(row, chunk);
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

const QUANT_UNIT = vec4f(1);

fn quants_as_they_lie(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let v = quants[row * CHUNKS + chunk];
  let low = v & vec4u(NIBBLES);
  let high = (v >> vec4u(4)) & vec4u(NIBBLES);
  return array(
    vec4f(unpack4xU8(low.x)),
    vec4f(unpack4xU8(low.y)),
    vec4f(unpack4xU8(low.z)),
    vec4f(unpack4xU8(low.w)),
    vec4f(unpack4xU8(high.x)),
    vec4f(unpack4xU8(high.y)),
    vec4f(unpack4xU8(high.z)),
    vec4f(unpack4xU8(high.w)),
  );
}

fn scale_of(row: u32, chunk: u32) -> vec2f {
  let at = (row * CHUNKS + chunk) / 4u * 3u;
  let pair = unpack4xI8(scales[at + 1u + (chunk & 3u) / 2u] >> (16u * (chunk & 1u)));
  return unpack2x16float(scales[at]) * vec2f(pair.xy);
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  let chunk = column4 / 8u;
  let word = quants[row * CHUNKS + chunk][column4 % 4u] >> (((column4 / 4u) & 1u) * 4u);
  return affine(word & NIBBLES, scale_of(row, chunk));
}
