// Semantics and shapes: backward_choose.wgsl. Items: tokens.
import { withoutTiny } from "../cpu/math.cpu";
import { stepAt } from "../step.cpu";

@unmanaged
export class BackwardChooseArgs {
  whole: usize;
  p: usize;
  gates: usize;
  d_gates: usize;
  load: usize;
  d_logits: usize;
  EXPERTS: i32;
  STRIDE: i32;
  SOFT: i32;
  TEMPERATURE: f32;
  BALANCE: f32;
}

export function backward_choose(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardChooseArgs>(args);
  const bytes = <usize>a.EXPERTS << 2;
  const balance = a.BALANCE * <f32>a.EXPERTS / <f32>stepAt(a.whole).tokens;
  for (let t = first; t < end; t++) {
    const at = <usize>t * bytes;
    const p = a.p + at, shares = (a.SOFT ? a.gates : a.p) + at, d = a.d_gates + at;
    let mean: f32 = 0, balanced: f32 = 0;
    for (let e: usize = 0; e < bytes; e += 4) {
      mean += load<f32>(shares + e) * load<f32>(d + e);
      balanced += load<f32>(p + e) * load<f32>(a.load + 2 * e);
    }
    const to = a.d_logits + (<usize>(t * a.STRIDE) << 2);
    for (let e: usize = 0; e < bytes; e += 4) {
      const gained = load<f32>(shares + e) * (load<f32>(d + e) - mean);
      const evened = balance * load<f32>(p + e) * (load<f32>(a.load + 2 * e) - balanced);
      store<f32>(to + e, withoutTiny((gained + evened) / a.TEMPERATURE));
    }
    for (let e = bytes; e < <usize>a.STRIDE << 2; e += 4) store<f32>(to + e, 0);
  }
}
