// 32 consecutive floats as int8: scale = max|v| / 127, quant = round(v / scale). Read by parts/linear_dot_q8.wgsl.
struct QuantizedBlock {
  low: vec4u,    // int8 0…15, lowest byte first
  high: vec4u,   // int8 16…31
  scale: vec2f,  // (scale, scale * sum of the int8)
}

fn quantize_block(values: array<vec4f, 8>) -> QuantizedBlock {
  var v = values;
  var largest = vec4f(0.0);
  for (var i = 0u; i < 8u; i++) { largest = max(largest, abs(v[i])); }
  let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
  let scale = most / 127.0;
  let inverse = select(0.0, 127.0 / most, most > 0.0);
  var words: array<u32, 8>;
  var sum = 0;
  for (var i = 0u; i < 8u; i++) {
    let q = vec4i(round(v[i] * inverse));
    words[i] = pack4xI8(q);
    sum += q.x + q.y + q.z + q.w;
  }
  return QuantizedBlock(
    vec4u(words[0], words[1], words[2], words[3]),
    vec4u(words[4], words[5], words[6], words[7]),
    vec2f(scale, scale * f32(sum)),
  );
}
