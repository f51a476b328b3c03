// Factors of adapters held as 4 bits in blocks of 32 columns with a scale of f32 each; a number is 8 less than its bits say.
// A: rows of scales, filled to a whole vec4u, then of a block to a vec4u, the first number in the lowest bits. B: four rows
// together, block by block: their scales, then column by column.
fn scales_a(cols4: u32) -> u32 {
  return (cols4 + 31u) / 32u;
}

fn stride_a(cols4: u32) -> u32 {
  return scales_a(cols4) + (cols4 + 7u) / 8u;
}

fn stride_b(rank4: u32) -> u32 {
  return (rank4 + 1u) / 2u + (rank4 + 7u) / 8u;
}

// Four columns of the row of A that begins at `row`.
fn factor_a(row: u32, column4: u32, cols4: u32) -> vec4f {
  let scale = bitcast<f32>(adapter_bits(row + column4 / 32u)[column4 / 8u % 4u]);
  let word = adapter_bits(row + scales_a(cols4) + column4 / 8u)[column4 / 2u % 4u];
  return scale * factor_quants(word >> (16u * (column4 & 1u)));
}

// Columns 4r to 4r + 3 of the four rows of B that begin at `rows`.
fn factor_b(rows: u32, r: u32, rank4: u32) -> mat4x4f {
  let block = rows + r / 8u * 5u;
  let bits = adapter_bits(block + 1u + r % 8u / 2u);
  let words = select(bits.xy, bits.zw, (r & 1u) == 1u);
  let scale = adapter(block);
  return mat4x4f(scale * factor_quants(words.x), scale * factor_quants(words.x >> 16u),
    scale * factor_quants(words.y), scale * factor_quants(words.y >> 16u));
}

// The four numbers in the lowest 16 bits.
fn factor_quants(bits: u32) -> vec4f {
  return vec4f((vec4u(bits) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u)) - vec4f(8.0);
}
