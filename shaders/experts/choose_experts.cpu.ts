// Semantics: chosen[t, k], weights[t, k] = the k-th likeliest expert of token t and its softmax over all EXPERTS logits; where
// NORMALISED, divided by the sum over k. Equal logits: the lower index first.
// Shapes: logits [T, EXPERTS] f32; chosen, weights [T, USED]. Items: tokens.
import { exp1 } from "../cpu/math.cpu";

@unmanaged
export class ChooseExpertsArgs {
  logits: usize;
  chosen: usize;
  weights: usize;
  EXPERTS: i32;
  USED: i32;
  NORMALISED: i32;
}

export function choose_experts(args: usize, first: i32, end: i32): void {
  const a = changetype<ChooseExpertsArgs>(args);
  for (let t = first; t < end; t++) {
    const row = a.logits + (<usize>(t * a.EXPERTS) << 2);
    const chosen = a.chosen + (<usize>(t * a.USED) << 2), weights = a.weights + (<usize>(t * a.USED) << 2);
    let last: f32 = 3.0e38, lastIndex = 0, top: f32 = 0, sum: f32 = 0;
    for (let k = 0; k < a.USED; k++) {
      let best: f32 = -3.4e38, index = 0;
      for (let e = 0; e < a.EXPERTS; e++) {
        const l = load<f32>(row + (<usize>e << 2));
        if (l > best && (l < last || (l == last && e > lastIndex))) {
          best = l;
          index = e;
        }
      }
      if (k == 0) top = best;
      last = best;
      lastIndex = index;
      const weight = exp1(best - top);
      sum += weight;
      store<i32>(chosen + (<usize>k << 2), index);
      store<f32>(weights + (<usize>k << 2), weight);
    }
    if (!a.NORMALISED) {
      sum = 0;
      for (let e = 0; e < a.EXPERTS; e++) sum += exp1(load<f32>(row + (<usize>e << 2)) - top);
    }
    for (let k: usize = 0; k < <usize>a.USED << 2; k += 4) store<f32>(weights + k, load<f32>(weights + k) / sum);
  }
}
