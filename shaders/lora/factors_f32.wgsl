// Factors of adapters held as f32. A: rows of vec4s. B: four rows together, column by column.
fn stride_a(cols4: u32) -> u32 {
  return cols4;
}

fn stride_b(rank4: u32) -> u32 {
  return 4u * rank4;
}

// Four columns of the row of A that begins at `row`.
fn factor_a(row: u32, column4: u32, cols4: u32) -> vec4f {
  return adapter(row + column4);
}

// Columns 4r to 4r + 3 of the four rows of B that begin at `rows`.
fn factor_b(rows: u32, r: u32, rank4: u32) -> mat4x4f {
  let at = rows + 4u * r;
  return mat4x4f(adapter(at), adapter(at + 1u), adapter(at + 2u), adapter(at + 3u));
}
