// Semantics and shapes: anchor.wgsl; a part here is a range of neighbours. Items: PARTIALS.
import { across } from "../cpu/lanes.cpu";
import { madd } from "../cpu/simd.cpu";

@unmanaged
export class AnchorArgs {
  values: usize;
  anchors: usize;
  importance: usize;
  gradients: usize;
  partials: usize;
  COUNT: i32;
  PARTIALS: i32;
  STRENGTH: f32;
}

export function anchor(args: usize, first: i32, end: i32): void {
  const a = changetype<AnchorArgs>(args);
  const vectors = a.COUNT >> 2;
  const each = (vectors + a.PARTIALS - 1) / a.PARTIALS;
  const strength = f32x4.splat(a.STRENGTH);
  for (let part = first; part < end; part++) {
    const last = <usize>min((part + 1) * each, vectors) << 4;
    let sum = f32x4.splat(0);
    for (let i = <usize>(part * each) << 4; i < last; i += 16) {
      const away = f32x4.sub(v128.load(a.values + i), v128.load(a.anchors + i));
      const pull = f32x4.mul(f32x4.mul(strength, v128.load(a.importance + i)), away);
      v128.store(a.gradients + i, f32x4.add(v128.load(a.gradients + i), pull));
      sum = madd(pull, away, sum);
    }
    store<f32>(a.partials + (<usize>part << 2), 0.5 * across(sum));
  }
}
