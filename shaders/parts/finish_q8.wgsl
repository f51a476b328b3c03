// The next linear layer takes int8 activations: quantises the vec4s [first, first + count) of x that this workgroup wrote,
// in blocks of 32 values. Called by all its threads, of which there are at least FINISHERS.
@group(0) @binding(QUANT_BINDING) var<storage, read_write> xq: array<vec4u>;      // two a block
@group(0) @binding(QUANT_BINDING + 1) var<storage, read_write> xs: array<vec2f>;  // scale, scale · Σ quants

const FINISHERS = 32u;

fn finish(first: u32, count: u32, lane: u32) {
  storageBarrier();
  if (lane >= FINISHERS) { return; }
  for (var b = lane; b < count / 8u; b += FINISHERS) {
    let at = first + b * 8u;
    let block = quantize_block(array<vec4f, 8>(
      x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]));
    let out = at / 8u;
    xq[2u * out] = block.low;
    xq[2u * out + 1u] = block.high;
    xs[out] = block.scale;
  }
}
