// Semantics and shapes: silu.wgsl. Items: tokens.
import { silu4 } from "../cpu/math.cpu";

@unmanaged
export class SiluArgs {
  x: usize;
  y: usize;
  WIDTH: i32;
}

export function silu(args: usize, first: i32, end: i32): void {
  const a = changetype<SiluArgs>(args);
  const bytes = <usize>a.WIDTH << 2;
  const last = <usize>end * bytes;
  for (let i = <usize>first * bytes; i < last; i += 16) v128.store(a.y + i, silu4(v128.load(a.x + i)));
}
