// Semantics: turns the q and k of every token by its row of rotations, in place; INVERSE turns back, which is also the gradient.
// Shapes: qkv [T, (HEADS + 2·KV_HEADS)·HEAD_DIM] f32, rotations [rows, HEAD_DIM/2] (cos, sin). Thread: four pairs
// (i, i + HEAD_DIM/2). Source: RoPE, Su et al. 2021, in the half-split order of the Hugging Face checkpoints.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> rotations: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;

const HALF4 = u32(HEAD_DIM / 8);
const TURNED = u32(HEADS + KV_HEADS);
const ROW4 = u32((HEADS + 2 * KV_HEADS) * HEAD_DIM / 4);

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.y;
  if (id.x >= TURNED * HALF4) { return; }
  let i = id.x % HALF4;
  let at = token * ROW4 + id.x / HALF4 * 2u * HALF4 + i;
  let turn = (tokens[token].turn * HALF4 + i) * 2u;
  let a01 = rotations[turn];
  let a23 = rotations[turn + 1u];
  let c = vec4f(a01.x, a01.z, a23.x, a23.z);
  var s = vec4f(a01.y, a01.w, a23.y, a23.w);
  if (INVERSE) { s = -s; }
  let a = qkv[at];
  let b = qkv[at + HALF4];
  qkv[at] = a * c - b * s;
  qkv[at + HALF4] = b * c + a * s;
}
