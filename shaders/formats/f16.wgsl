// Weights held as f16, eight to a vec4u: quants[row][cols / 8]. Widened by unpack2x16float, so no shader-f16 is needed.
// `scales` is not read.

@group(0) @binding(1) var<storage, read> quants: array<vec4u>;

const PARTS = 2u;
const CHUNKS = u32(COLS / 8);

fn dequantized(row: u32, chunk: u32) -> array<vec4f, PARTS> {
  let v = quants[row * CHUNKS + chunk];
  return array(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)),
  );
}

fn weights_4(row: u32, column4: u32) -> vec4f {
  let v = quants[row * CHUNKS + column4 / 2u];
  let half = select(v.xy, v.zw, (column4 & 1u) == 1u);
  return vec4f(unpack2x16float(half.x), unpack2x16float(half.y));
}
