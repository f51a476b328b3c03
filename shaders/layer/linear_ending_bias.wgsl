// A bias is added: [ROWS_TOTAL] f32.
@group(0) @binding(BIAS_BINDING) var<storage, read> bias: array<f32>;

fn ended(row: u32, value: f32) -> f32 {
  return value + bias[row];
}
