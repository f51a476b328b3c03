// A block of 32 int8 in two halves of 16, and two f32 that scale it: weights (scale, minimum), activations (scale,
// scale * sum of the int8).
struct PackedBlock {
  low: vec4u,
  high: vec4u,
  scale: vec2f,
}
const BLOCKS = u32(COLS / 32);
