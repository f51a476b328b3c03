// Semantics: order[bounds[e]] … order[bounds[e + 1] − 1] = the slots t · USED + k with chosen[t, k] = e, in their order.
// Shapes: chosen [T, USED]; order [T · USED]; bounds [EXPERTS + 1]. Items: one.
import { zeroBytes } from "../cpu/bytes.cpu";
import { stepAt } from "../step.cpu";

@unmanaged
export class SortExpertsArgs {
  step: usize;
  chosen: usize;
  order: usize;
  bounds: usize;
  EXPERTS: i32;
  USED: i32;
}

export function sort_experts(args: usize, first: i32, end: i32): void {
  if (first == end) return;
  const a = changetype<SortExpertsArgs>(args);
  const slots = stepAt(a.step).tokens * a.USED;
  zeroBytes(a.bounds, <usize>(a.EXPERTS + 1) << 2);
  // First the number of each behind its place, then where each begins, and at last, as slots are placed, where it ends.
  for (let slot = 0; slot < slots; slot++) {
    const at = boundOf(a, slot) + 4;
    store<i32>(at, load<i32>(at) + 1);
  }
  for (let e: usize = 4; e <= <usize>a.EXPERTS << 2; e += 4) {
    store<i32>(a.bounds + e, load<i32>(a.bounds + e) + load<i32>(a.bounds + e - 4));
  }
  for (let slot = 0; slot < slots; slot++) {
    const at = boundOf(a, slot);
    const place = load<i32>(at);
    store<i32>(a.order + (<usize>place << 2), slot);
    store<i32>(at, place + 1);
  }
  for (let e = a.EXPERTS; e > 0; e--) store<i32>(a.bounds + (<usize>e << 2), load<i32>(a.bounds + (<usize>(e - 1) << 2)));
  store<i32>(a.bounds, 0);
}

/** Where the bound of the expert that a slot has chosen lies. */
@inline
function boundOf(a: SortExpertsArgs, slot: i32): usize {
  return a.bounds + (<usize>load<i32>(a.chosen + (<usize>slot << 2)) << 2);
}
