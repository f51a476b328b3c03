// Semantics and shapes: backward_router_z.wgsl. Items: tokens.
import { exp1, log1 } from "../cpu/math.cpu";
import { stepAt } from "../step.cpu";

@unmanaged
export class BackwardRouterZArgs {
  whole: usize;
  z: usize;
  dz: usize;
  EXPERTS: i32;
  STRIDE: i32;
  WEIGHT: f32;
}

export function backward_router_z(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardRouterZArgs>(args);
  const bytes = <usize>a.EXPERTS << 2;
  const weight = a.WEIGHT * 2 / <f32>stepAt(a.whole).tokens;
  for (let t = first; t < end; t++) {
    const at = <usize>(t * a.STRIDE) << 2;
    const z = a.z + at, dz = a.dz + at;
    let top: f32 = -3.0e38;
    for (let e: usize = 0; e < bytes; e += 4) top = max<f32>(top, load<f32>(z + e));
    let sum: f32 = 0;
    for (let e: usize = 0; e < bytes; e += 4) sum += exp1(load<f32>(z + e) - top);
    const lse = top + log1(sum);
    for (let e: usize = 0; e < bytes; e += 4) {
      store<f32>(dz + e, load<f32>(dz + e) + weight * lse * exp1(load<f32>(z + e) - lse));
    }
  }
}
