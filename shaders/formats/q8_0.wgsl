// Weights held as int8 with one scale per 32 columns: quants[row][cols / 16] (vec4u: 16 int8, lowest byte first),
// scales[row][cols / 32] (f32 bits). weight = scale * quant.

@group(0) @binding(1) var<storage, read> quants: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

const PARTS = 8u;
const CHUNKS = u32(COLS / 32);

fn dequantized(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let scale = scale_of(row, chunk).x;
  var weights = quants_as_they_lie(row, chunk);
  for (var i = 0u; i < PARTS; i++) {
    weights[i] *= scale;
  }
  return weights;
}

const QUANT_UNIT = vec4f(1);

fn quants_as_they_lie(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let low = quants[(row * CHUNKS + chunk) * 2u];
  let high = quants[(row * CHUNKS + chunk) * 2u + 1u];
  return array(
    vec4f(unpack4xI8(low.x)),
    vec4f(unpack4xI8(low.y)),
    vec4f(unpack4xI8(low.z)),
    vec4f(unpack4xI8(low.w)),
    vec4f(unpack4xI8(high.x)),
    vec4f(unpack4xI8(high.y)),
    vec4f(unpack4xI8(high.z)),
    vec4f(unpack4xI8(high.w)),
  );
}

fn scale_of(row: u32, chunk: u32) -> vec2f {
  return vec2f(bitcast<f32>(scales[row * CHUNKS + chunk]), 0);
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  let block = row * CHUNKS + column4 / 8u;
  let word = quants[block * 2u + column4 / 4u % 2u][column4 % 4u];
  return bitcast<f32>(scales[block]) * vec4f(unpack4xI8(word));
}
