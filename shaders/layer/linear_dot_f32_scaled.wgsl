// Float activations, x[token][cols / 4], meet weights that share a scale and a minimum: the quants are summed as they lie,
// and scaled once a chunk. sum of (s q + m) x = s · sum of q x + m · sum of x.

@group(0) @binding(3) var<storage, read> x: array<vec4f>;

const DOT_CHUNKS = CHUNKS;

struct Weights {
  quants: array<vec4f, PARTS>,
  scale: vec2f,
}

struct Activations {
  values: array<vec4f, PARTS>,
  sum: f32,
}

fn load_weights(row: u32, chunk: u32) -> Weights {
  return Weights(quants_as_they_lie(row, chunk), scale_of(row, chunk));
}

fn load_activations(token: u32, chunk: u32) -> Activations {
  let at = (token * CHUNKS + chunk) * PARTS;
  var values: array<vec4f, PARTS>;
  for (var i = 0u; i < PARTS; i++) {
    values[i] = x[at + i];
  }
  var sums = vec4f(0);
  for (var i = 0u; i < PARTS; i++) {
    sums += values[i];
  }
  return Activations(values, (sums.x + sums.y) + (sums.z + sums.w));
}

// The order of these additions never depends on the tile: a token's result is the same in every batch.
fn accumulate(sum: f32, w: Weights, v: Activations) -> f32 {
  var sums = vec4f(0);
  for (var i = 0u; i < PARTS; i++) {
    sums = fma(w.quants[i], v.values[i], sums);
  }
  let whole = fma(sums.x, QUANT_UNIT.x, sums.y * QUANT_UNIT.y) + fma(sums.z, QUANT_UNIT.z, sums.w * QUANT_UNIT.w);
  return fma(w.scale.x, whole, fma(w.scale.y, v.sum, sum));
}
