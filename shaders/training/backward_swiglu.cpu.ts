// Semantics and shapes: backward_swiglu.wgsl. Items: tokens.
import { sigmoid4, siluSlope4 } from "../cpu/math.cpu";

@unmanaged
export class BackwardSwigluArgs {
  dy: usize;
  gate_up: usize;
  FFN: i32;
}

export function backward_swiglu(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardSwigluArgs>(args);
  const bytes = <usize>a.FFN << 2;
  for (let t = <usize>first; t < <usize>end; t++) {
    const gate = a.gate_up + 2 * t * bytes, up = gate + bytes;
    const dy = a.dy + t * bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      const g = v128.load(gate + i), d = v128.load(dy + i);
      const s = sigmoid4(g);
      v128.store(gate + i, f32x4.mul(f32x4.mul(d, v128.load(up + i)), siluSlope4(g, s)));
      v128.store(up + i, f32x4.mul(d, f32x4.mul(g, s)));
    }
  }
}
