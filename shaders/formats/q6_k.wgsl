// Weights held as 6 bits with a scale s and a minimum m per 16 columns, whole numbers of 8 bits, times two halves per 128:
// quants[row][cols / 16][3] (of word j < 2, byte i holds the low bits of columns 4j + i, in its low nibble, and 8 + 4j + i; of
// word 2, byte i holds the upper two bits of columns i, 4 + i, 8 + i and 12 + i, from the lowest bits on), scales[row][cols / 128]
// (f16 d, f16 e, then s, m of each 16 columns as signed bytes). weight = (d * s) * code + e * m.

@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

const PARTS = 4u;
const CHUNKS = u32(COLS / 16);

fn dequantized(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let scale = scale_of(row, chunk);
  var weights = quants_as_they_lie(row, chunk);
  for (var i = 0u; i < PARTS; i++) {
    weights[i] = fma(vec4f(scale.x), weights[i], vec4f(scale.y));
  }
  return weights;
}

const QUANT_UNIT = vec4f(1);

fn quants_as_they_lie(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let at = (row * CHUNKS + chunk) * 3u;
  let first = quants[at];
  let second = quants[at + 1u];
  let upper = quants[at + 2u];
  return array(
    codes(first, upper << 4u),
    codes(second, upper << 2u),
    codes(first >> 4u, upper),
    codes(second >> 4u, upper >> 2u),
  );
}

/** Of every byte, four low bits and, in the places above them, two upper ones. */
fn codes(nibbles: u32, upper: u32) -> vec4f {
  return vec4f(unpack4xU8((nibbles & 0x0f0f0f0fu) | (upper & 0x30303030u)));
}

fn scale_of(row: u32, chunk: u32) -> vec2f {
  let at = (row * CHUNKS + chunk) / 8u * 5u;
  let pair = unpack4xI8(scales[at + 1u + (chunk & 7u) / 2u] >> (16u * (chunk & 1u)));
  return unpack2x16float(scales[at]) * vec2f(pair.xy);
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  let chunk = column4 / 4u;
  let part = column4 % 4u;
  let at = (row * CHUNKS + chunk) * 3u;
  let upper = quants[at + 2u] >> (2u * part);
  let scale = scale_of(row, chunk);
  return fma(vec4f(scale.x), codes(quants[at + (part & 1u)] >> (4u * (part / 2u)), upper << 4u), vec4f(scale.y));
}
