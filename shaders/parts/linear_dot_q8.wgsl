// Int8 activations: x[token][cols / 16] (vec4u: 16 int8), xs[token][cols / 32] = (scale, scale * sum of the int8).
// A chunk is a block of 32 columns: integers inside a block, f32 across blocks.

@group(0) @binding(3) var<storage, read> x: array<vec4u>;
@group(0) @binding(4) var<storage, read> xs: array<vec2f>;

const DOT_CHUNKS = BLOCKS;

alias Weights = PackedBlock;
alias Activations = PackedBlock;

fn load_weights(row: u32, block: u32) -> Weights {
  return quantized(row, block);
}

fn load_activations(token: u32, block: u32) -> Activations {
  let at = token * BLOCKS + block;
  return PackedBlock(x[2u * at], x[2u * at + 1u], xs[at]);
}

// sum of (d q + m)(s p) over the block = d s (sum of q p) + m (s * sum of p).
fn accumulate(sum: f32, w: Weights, v: Activations) -> f32 {
  return fma(w.scale.x * v.scale.x, f32(dot32(w, v)), fma(w.scale.y, v.scale.y, sum));
}

fn dot32(w: PackedBlock, v: PackedBlock) -> i32 {
  return dot16(w.low, v.low) + dot16(w.high, v.high);
}

fn dot16(a: vec4u, b: vec4u) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}
