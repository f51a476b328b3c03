// Rows of logits of any length, given four at a time; NOTHING past the end.
@group(0) @binding(1) var<storage, read> logits: array<f32>;

fn raw4(r: u32, i: u32) -> vec4f {
  let at = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u);
  let inside = min(at, vec4u(N - 1u)) + r * N;
  let l = vec4f(logits[inside.x], logits[inside.y], logits[inside.z], logits[inside.w]);
  return select(vec4f(NOTHING), l, at < vec4u(N));
}
