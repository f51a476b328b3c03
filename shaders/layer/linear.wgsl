// Semantics: y[t, FIRST_ROW + r] = ended(sum over k of W[r, k] * x[t, k]), for the T tokens (or R rows) of the step.
// Shapes: W [ROWS, COLS] in a device format (formats/), x [T, COLS] f32,
// y [T, ROWS_TOTAL] f32. Accumulates in f32.
// Joined from: format (how weights lie), dot (linear_dot_*), body (linear_gemv or linear_gemm: how threads share the work),
// ending (linear_ending_*: what becomes of a sum), and shrink
// (the LoRA rows that ride along behind the base rows in the same dispatch, or nothing).
// Workgroups: x < BASE_GROUPS compute TILE rows of y each, the others shrink; y counts tiles of tokens.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn token_count() -> u32 {
  if (COUNT_ROWS) { return step.rows; }
  return step.tokens;
}

fn store(token: u32, row: u32, value: f32) {
  y[token * ROWS_TOTAL + FIRST_ROW + row] = ended(FIRST_ROW + row, value);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (group.x < BASE_GROUPS) {
    project(group, lane);
  } else {
    shrink(group.x - BASE_GROUPS, group.y * TILE_TOKENS, lane);
  }
}
