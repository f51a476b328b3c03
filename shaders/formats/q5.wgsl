// Weights held as 5 bits with a scale and a minimum per 32 columns (GGUF's q5_0 and q5_1): quants[row][cols / 32] (vec4u; the low nibble
// of byte i has the low bits of column i, the high nibble those of column 16 + i), scales[row][cols / 32] (f16 d, f16 m; a word
// in which bit p of byte i is the fifth bit of column 4p + i). weight = d * code + m.

@group(0) @binding(1) var<storage, read> quants: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<vec2u>;

const PARTS = 8u;
const CHUNKS = u32(COLS / 32);

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
  let low = quants[row * CHUNKS + chunk];
  let high = low >> vec4u(4);
  let fifth = scales[row * CHUNKS + chunk].y;
  return array(
    codes(low.x, fifth << 4u),
    codes(low.y, fifth << 3u),
    codes(low.z, fifth << 2u),
    codes(low.w, fifth << 1u),
    codes(high.x, fifth),
    codes(high.y, fifth >> 1u),
    codes(high.z, fifth >> 2u),
    codes(high.w, fifth >> 3u),
  );
}

/** Of every byte, four low bits and, in the place above them, a fifth. */
fn codes(nibbles: u32, fifth: u32) -> vec4f {
  return vec4f(unpack4xU8((nibbles & 0x0f0f0f0fu) | (fifth & 0x10101010u)));
}

fn scale_of(row: u32, chunk: u32) -> vec2f {
  return unpack2x16float(scales[row * CHUNKS + chunk].x);
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  let block = row * CHUNKS + column4 / 8u;
  let part = column4 % 8u;
  let nibbles = quants[block][part % 4u] >> (4u * (part / 4u));
  let scale = unpack2x16float(scales[block].x);
  return fma(vec4f(scale.x), codes(nibbles, (scales[block].y >> part) << 4u), vec4f(scale.y));
}
