// Factors of adapters held as f16, eight to a vec4u. A: rows, the last vec4u filled with zeros. B: four rows together,
// column by column.
fn stride_a(cols4: u32) -> u32 {
  return (cols4 + 1u) / 2u;
}

fn stride_b(rank4: u32) -> u32 {
  return 2u * rank4;
}

// Four columns of the row of A that begins at `row`.
fn factor_a(row: u32, column4: u32, cols4: u32) -> vec4f {
  let bits = adapter_bits(row + column4 / 2u);
  return factor_halves(select(bits.xy, bits.zw, (column4 & 1u) == 1u));
}

// Columns 4r to 4r + 3 of the four rows of B that begin at `rows`.
fn factor_b(rows: u32, r: u32, rank4: u32) -> mat4x4f {
  let low = adapter_bits(rows + 2u * r);
  let high = adapter_bits(rows + 2u * r + 1u);
  return mat4x4f(factor_halves(low.xy), factor_halves(low.zw), factor_halves(high.xy), factor_halves(high.zw));
}

fn factor_halves(bits: vec2u) -> vec4f {
  return vec4f(unpack2x16float(bits.x), unpack2x16float(bits.y));
}
