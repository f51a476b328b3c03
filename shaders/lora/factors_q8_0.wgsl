// Factors of adapters held as int8 in blocks of 32 columns with a scale of f32 each. A: rows of scales, filled to a whole
// vec4u, then of quants, sixteen to a vec4u, likewise. B: four rows together, block by block: their scales, then
// column by column.
fn scales_a(cols4: u32) -> u32 {
  return (cols4 + 31u) / 32u;
}

fn stride_a(cols4: u32) -> u32 {
  return scales_a(cols4) + (cols4 + 3u) / 4u;
}

fn stride_b(rank4: u32) -> u32 {
  return rank4 + (rank4 + 7u) / 8u;
}

// Four columns of the row of A that begins at `row`.
fn factor_a(row: u32, column4: u32, cols4: u32) -> vec4f {
  let scale = bitcast<f32>(adapter_bits(row + column4 / 32u)[column4 / 8u % 4u]);
  return scale * factor_quants(adapter_bits(row + scales_a(cols4) + column4 / 4u)[column4 % 4u]);
}

// Columns 4r to 4r + 3 of the four rows of B that begin at `rows`.
fn factor_b(rows: u32, r: u32, rank4: u32) -> mat4x4f {
  let block = rows + r / 8u * 9u;
  let bits = adapter_bits(block + 1u + r % 8u);
  let scale = adapter(block);
  return mat4x4f(scale * factor_quants(bits.x), scale * factor_quants(bits.y),
    scale * factor_quants(bits.z), scale * factor_quants(bits.w));
}

fn factor_quants(word: u32) -> vec4f {
  return vec4f(unpack4xI8(word));
}
