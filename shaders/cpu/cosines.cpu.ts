// The keys of a keyed router: cosines of what a token has beyond the centre, and their average along a sequence.
import { copyBytes } from "./bytes.cpu";
import { across, acrossFour } from "./lanes.cpu";
import { pageBefore } from "./belief.cpu";
import { madd } from "./simd.cpu";
import { Sequence } from "../step.cpu";

/** Lane i: the cosine of x − center and the unit vector r_i; 0 where x is the centre. `bytes`: of a row, a multiple of 16. */
export function cosinesOne(x: usize, center: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a, squares = a;
  for (let k: usize = 0; k < bytes; k += 16) {
    const v = f32x4.sub(v128.load(x + k), v128.load(center + k));
    a = madd(v, v128.load(r0 + k), a);
    b = madd(v, v128.load(r1 + k), b);
    c = madd(v, v128.load(r2 + k), c);
    d = madd(v, v128.load(r3 + k), d);
    squares = madd(v, v, squares);
  }
  const square = across(squares);
  if (square <= 0) return f32x4.splat(0);
  return f32x4.mul(acrossFour(a, b, c, d), f32x4.splat(1 / sqrt<f32>(square)));
}

/**
 * Runs along the tokens of `sequence`, whose first has `cosines`: s_t = s_{t−1} + max(1 / (t + 1), 1 − memory) (cos_t − s_{t−1})
 * is left where cos_t stood; t counts from the sequence's beginning. Rows have EXPERTS + 1 values.
 */
export function averageCosines(
  sequence: Sequence, experts: i32, kept: f32, cosines: usize, averages: usize, blocks: usize, SEQUENCES: i32, EXPERTS: i32,
): void {
  const stride = <usize>(EXPERTS + 1) << 2, row = <usize>EXPERTS << 2, bytes = <usize>experts << 2;
  const state = averages + <usize>sequence.slot * row;
  const pages = averages + <usize>SEQUENCES * row;
  let before = sequence.start != 0 && sequence.start % 16 == 0 ? pages + pageBefore(sequence, blocks, sequence.start) * row : state;
  for (let t = 0; t < sequence.count; t++) {
    const position = sequence.start + t;
    const weight = max<f32>(1 / <f32>(position + 1), 1 - kept);
    if (position != 0) {
      for (let e: usize = 0; e < bytes; e += 4) {
        const average = load<f32>(before + e);
        store<f32>(cosines + e, average + weight * (load<f32>(cosines + e) - average));
      }
    }
    before = cosines;
    if ((position + 1) % 16 == 0) copyBytes(pages + pageBefore(sequence, blocks, position + 1) * row, cosines, bytes);
    cosines += stride;
  }
  copyBytes(state, before, bytes);
}
