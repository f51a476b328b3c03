// Semantics and shapes: squares.wgsl; a part here is a range of neighbours. Items: PARTIALS.
import { across } from "../cpu/lanes.cpu";
import { madd } from "../cpu/simd.cpu";

@unmanaged
export class SquaresArgs {
  values: usize;
  partials: usize;
  COUNT: i32;
  PARTIALS: i32;
}

export function squares(args: usize, first: i32, end: i32): void {
  const a = changetype<SquaresArgs>(args);
  const vectors = a.COUNT >> 2;
  const each = (vectors + a.PARTIALS - 1) / a.PARTIALS;
  for (let part = first; part < end; part++) {
    const last = <usize>min((part + 1) * each, vectors) << 4;
    let sum = f32x4.splat(0);
    for (let i = <usize>(part * each) << 4; i < last; i += 16) {
      const v = v128.load(a.values + i);
      sum = madd(v, v, sum);
    }
    store<f32>(a.partials + (<usize>part << 2), across(sum));
  }
}
