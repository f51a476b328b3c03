// Semantics and shapes: choose.wgsl. Items: tokens.
import { exp1 } from "../cpu/math.cpu";

@unmanaged
export class ChooseArgs {
  logits: usize;
  p: usize;
  gates: usize;
  EXPERTS: i32;
  STRIDE: i32;
  TOP_K: i32;
  SOFT: i32;
  TEMPERATURE: f32;
}

export function choose(args: usize, first: i32, end: i32): void {
  const a = changetype<ChooseArgs>(args);
  const bytes = <usize>a.EXPERTS << 2;
  for (let t = first; t < end; t++) {
    const logits = a.logits + (<usize>(t * a.STRIDE) << 2);
    const p = a.p + <usize>t * bytes, gates = a.gates + <usize>t * bytes;
    let top: f32 = -3.0e38;
    for (let e: usize = 0; e < bytes; e += 4) top = max<f32>(top, load<f32>(logits + e));
    let sum: f32 = 0;
    for (let e: usize = 0; e < bytes; e += 4) {
      const share = exp1((load<f32>(logits + e) - top) / a.TEMPERATURE);
      store<f32>(p + e, share);
      sum += share;
    }
    let kept: f32 = 0;
    for (let e: usize = 0; e < bytes; e += 4) {
      const isKept = betterThan(logits, e, bytes) < a.TOP_K;
      const share: f32 = isKept ? load<f32>(p + e) : 0;
      kept += share;
      store<f32>(gates + e, a.SOFT ? share : isKept ? 1 / <f32>a.TOP_K : 0);
    }
    for (let e: usize = 0; e < bytes; e += 4) {
      store<f32>(p + e, load<f32>(p + e) / sum);
      if (a.SOFT) store<f32>(gates + e, load<f32>(gates + e) / kept);
    }
  }
}

/** How many logits are ahead of the one at `e`; equal ones are where their index is lower. */
function betterThan(logits: usize, e: usize, bytes: usize): i32 {
  const own = load<f32>(logits + e);
  let better = 0;
  for (let other: usize = 0; other < bytes; other += 4) {
    const l = load<f32>(logits + other);
    if (l > own || (l == own && other < e)) better++;
  }
  return better;
}
