// Semantics, shapes and source: rotate.wgsl. Items: T · (HEADS + KV_HEADS), heads innermost.
import { tokenAt } from "../step.cpu";

@unmanaged
export class RotateArgs {
  tokens: usize;
  rotations: usize;
  qkv: usize;
  HEADS: i32;
  KV_HEADS: i32;
  HEAD_DIM: i32;
  INVERSE: i32;
}

export function rotate(args: usize, first: i32, end: i32): void {
  const a = changetype<RotateArgs>(args);
  const turned = a.HEADS + a.KV_HEADS, all = turned + a.KV_HEADS;
  const bytes = <usize>a.HEAD_DIM << 2;
  for (let item = first; item < end; item++) {
    const token = item / turned, head = item % turned;
    const row = a.qkv + <usize>(token * all + head) * bytes;
    turn(row, a.rotations + <usize>tokenAt(a.tokens, token).turn * bytes, bytes >> 1, a.INVERSE ? -1 : 1);
  }
}

/** `half`: bytes of half a head; `rotation`: as many pairs (cos, sin) as it has floats. */
function turn(row: usize, rotation: usize, half: usize, sign: f32): void {
  for (let i: usize = 0; i < half; i += 16) {
    const pairs = v128.load(rotation + 2 * i), others = v128.load(rotation + 2 * i, 16);
    const cos = v128.shuffle<f32>(pairs, others, 0, 2, 4, 6);
    const sin = f32x4.mul(v128.shuffle<f32>(pairs, others, 1, 3, 5, 7), f32x4.splat(sign));
    const x = v128.load(row + i), y = v128.load(row + half + i);
    v128.store(row + i, f32x4.sub(f32x4.mul(x, cos), f32x4.mul(y, sin)));
    v128.store(row + half + i, f32x4.add(f32x4.mul(y, cos), f32x4.mul(x, sin)));
  }
}
