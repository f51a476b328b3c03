// Semantics and shapes: backward_silu.wgsl. Items: tokens.
import { sigmoid4, siluSlope4 } from "../cpu/math.cpu";

@unmanaged
export class BackwardSiluArgs {
  x: usize;
  dy: usize;
  WIDTH: i32;
}

export function backward_silu(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardSiluArgs>(args);
  const bytes = <usize>a.WIDTH << 2;
  const last = <usize>end * bytes;
  for (let i = <usize>first * bytes; i < last; i += 16) {
    const x = v128.load(a.x + i);
    v128.store(a.dy + i, f32x4.mul(v128.load(a.dy + i), siluSlope4(x, sigmoid4(x))));
  }
}
