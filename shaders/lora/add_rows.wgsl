// sum[i] + rows[i] · v. Whoever must agree with another kernel bit by bit adds through this, in its order.
fn add_rows(sum: vec4f, rows: mat4x4f, v: vec4f) -> vec4f {
  return add_columns(sum, transpose(rows), v);
}

// The same where the rows lie column by column.
fn add_columns(sum: vec4f, columns: mat4x4f, v: vec4f) -> vec4f {
  return fma(columns[3], vec4f(v.w),
    fma(columns[2], vec4f(v.z), fma(columns[1], vec4f(v.y), fma(columns[0], vec4f(v.x), sum))));
}

// sum[i] + gate · (gain[i] · base[i] + shift[i]), likewise.
fn change_rows(sum: vec4f, gate: f32, gain: vec4f, shift: vec4f, base: vec4f) -> vec4f {
  return fma(vec4f(gate), fma(gain, base, shift), sum);
}
