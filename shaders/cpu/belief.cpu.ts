// The belief of a routed sequence: a filter along its tokens (routing/route.cpu.ts), in logarithms throughout. An expert that is as
// good as out, under a switch probability too small for f32, still comes back.
import { copyBytes } from "./bytes.cpu";
import { exp1, log1, sigmoid1, softplus1 } from "./math.cpu";
import { NEVER } from "./router.cpu";
import { scratch } from "./scratch.cpu";
import { Sequence } from "../step.cpu";

/** Runs along the tokens of `sequence`, whose first has `evidence`: log b_t is left where the evidence stood. */
export function filterBelief(
  sequence: Sequence, experts: i32, evidence: usize, belief: usize, blocks: usize, SEQUENCES: i32, EXPERTS: i32,
): void {
  const stride = <usize>(EXPERTS + 1) << 2, row = <usize>EXPERTS << 2, bytes = <usize>experts << 2;
  const state = belief + <usize>sequence.slot * row;
  const pages = belief + <usize>SEQUENCES * row;
  const evenly = -log1(<f32>experts);
  const logs = scratch;
  if (sequence.start == 0) {
    for (let e: usize = 0; e < bytes; e += 4) store<f32>(logs + e, evenly);
  } else {
    copyBytes(logs, sequence.start % 16 == 0 ? pages + pageBefore(sequence, blocks, sequence.start) * row : state, bytes);
  }
  for (let t = 0; t < sequence.count; t++) {
    const turn = load<f32>(evidence + bytes);
    const stay = -softplus1(turn);              // log(1 - ρ)
    const change = evenly - softplus1(-turn);  // log(ρ / E)
    let top = NEVER;
    for (let e: usize = 0; e < bytes; e += 4) {
      const log = load<f32>(evidence + e) + mixedLog(stay + load<f32>(logs + e), change);
      store<f32>(logs + e, log);
      top = max<f32>(top, log);
    }
    let sum: f32 = 0;
    for (let e: usize = 0; e < bytes; e += 4) sum += exp1(load<f32>(logs + e) - top);
    const normaliser = top + log1(sum);
    for (let e: usize = 0; e < bytes; e += 4) store<f32>(logs + e, load<f32>(logs + e) - normaliser);
    copyBytes(evidence, logs, bytes);
    const end = sequence.start + t + 1;
    if (end % 16 == 0) copyBytes(pages + pageBefore(sequence, blocks, end) * row, logs, bytes);
    evidence += stride;
  }
  copyBytes(state, logs, bytes);
}

/** Number of the page that ends before position `end`. */
@inline
export function pageBefore(sequence: Sequence, blocks: usize, end: i32): usize {
  return load<u32>(blocks + (<usize>(sequence.blocks + end / 16 - 1) << 2));
}

/** log(eᵃ + eᵇ) */
@inline
export function mixedLog(a: f32, b: f32): f32 {
  return max<f32>(a, b) + log1(1 + exp1(-abs<f32>(a - b)));
}

/**
 * The share of an expert's prior that stayed with it, (1 − ρ) b / ((1 − ρ) b + ρ / E), for ρ = σ(turn), b = e^before and
 * evenly = −log E.
 */
@inline
export function stayedShare(turn: f32, evenly: f32, before: f32): f32 {
  return sigmoid1(before - evenly - turn);
}
