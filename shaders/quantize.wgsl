// Semantics: xq[t], xs[t] = x[t] in int8 blocks of 32 (parts/quantize_q8.wgsl).
// Shapes: x [T, COLS] f32; xq [T, COLS / 16] vec4u; xs [T, COLS / 32] (scale, scale * sum). One thread a block.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> xq: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> xs: array<vec2f>;

const BLOCKS = u32(COLS / 32);

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = group.x * WORKGROUP + lane;
  if (block >= BLOCKS) { return; }
  let at = group.y * BLOCKS + block;
  var values: array<vec4f, 8>;
  for (var i = 0u; i < 8u; i++) { values[i] = x[at * 8u + i]; }
  let q = quantize_block(values);
  xq[at * 2u] = q.low;
  xq[at * 2u + 1u] = q.high;
  xs[at] = q.scale;
}
