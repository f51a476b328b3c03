// Float activations: x[token][cols / 4]. A chunk is what one load of the weights holds (4, 8, 16 or 32 columns).

@group(0) @binding(3) var<storage, read> x: array<vec4f>;

const DOT_CHUNKS = CHUNKS;
alias Weights = array<vec4f, PARTS>;
alias Activations = array<vec4f, PARTS>;

fn load_weights(row: u32, chunk: u32) -> Weights {
  return dequantized(row, chunk);
}

fn load_activations(token: u32, chunk: u32) -> Activations {
  let at = (token * CHUNKS + chunk) * PARTS;
  var values: Activations;
  for (var i = 0u; i < PARTS; i++) {
    values[i] = x[at + i];
  }
  return values;
}

// The order of these additions never depends on the tile: a token's result is the same in every batch.
fn accumulate(sum: f32, w: Weights, v: Activations) -> f32 {
  var s = sum;
  for (var i = 0u; i < PARTS; i++) {
    s = fma(w[i].x, v[i].x, s);
    s = fma(w[i].y, v[i].y, s);
    s = fma(w[i].z, v[i].z, s);
    s = fma(w[i].w, v[i].w, s);
  }
  return s;
}
