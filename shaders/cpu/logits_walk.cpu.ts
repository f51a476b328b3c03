// One walk along a row of logits: the best of them, what they weigh, or the best with noise. sampling/sample.cpu.ts walks once for
// each of its stages, and says in `Walk` what a walk is about; what it gives is left there too.
import { across } from "./lanes.cpu";
import { exp4, log4 } from "./math.cpu";
import { LogitRow } from "../step.cpu";

/** Below every logit that counts, and what stands for a logit that is masked or past the end. */
export const FLOOR: f32 = -3.0e38;
export const NOTHING: f32 = -3.4e38;
/** Every logit comes after this one. */
export const FIRST: f32 = 3.4e38;
const IN_PROMPT: i32 = 0x80000000;
/** Noise is below this: −log(−log(1 − v)) at the least v. */
const MOST_NOISE: f32 = 23;

/** A logit weighs exp((l - top) · cold): 1 where cold is 0. */
@unmanaged
export class Walk {
  logits: usize;
  counts: usize;     // of the row's sequence; 0: no penalties
  biases: usize;     // of the row's sequence; 0: none
  mask: usize;       // 0: none
  row: usize;        // LogitRow
  vocab: i32;
  raw: i32;          // 1: without biases, penalties and mask
  last_value: f32;   // the best is looked for after this one
  last_index: i32;
  top: f32;
  cold: f32;
  cut0: f32;         // falling; logits below cut3 are passed over
  cut1: f32;
  cut2: f32;
  cut3: f32;
  best_value: f32;   // found
  best_index: i32;
  weight0: f32;      // what the logits from each cut on weigh together, and how many they are
  weight1: f32;
  weight2: f32;
  weight3: f32;
  number0: f32;
  number1: f32;
  number2: f32;
  number3: f32;
}

/** Logits 4i … 4i + 3; unless raw, with biases, penalties and mask. Repetition as CTRL (Keskar et al. 2019, §4.1); presence and
 * frequency as OpenAI's API. */
@inline
function logits4(w: Walk, at: i32): v128 {
  let l = v128.load(w.logits + (<usize>at << 2));
  if (at + 4 > w.vocab) {
    l = v128.bitselect(l, f32x4.splat(NOTHING), i32x4.lt_s(i32x4.add(i32x4.splat(at), i32x4(0, 1, 2, 3)), i32x4.splat(w.vocab)));
  }
  if (w.raw) return l;
  if (w.biases) l = biased(w, at, l);
  if (w.counts) l = penalised(w, at, l);
  if (w.mask) {
    const bits = i32x4.splat(load<u32>(w.mask + (<usize>(at >> 5) << 2)) >> (at & 31));
    const allowed = i32x4.ne(v128.and(bits, i32x4(1, 2, 4, 8)), i32x4.splat(0));
    l = v128.bitselect(l, f32x4.splat(NOTHING), allowed);
  }
  return l;
}

function biased(w: Walk, at: i32, l: v128): v128 {
  const all = f32x4.add(l, v128.load(w.biases + (<usize>at << 2)));
  return v128.bitselect(all, f32x4.splat(NOTHING), f32x4.ge(l, f32x4.splat(FLOOR)));
}

function penalised(w: Walk, at: i32, l: v128): v128 {
  const row = changetype<LogitRow>(w.row);
  const seen = v128.load(w.counts + (<usize>at << 2));
  const times = f32x4.convert_i32x4_s(v128.and(seen, i32x4.splat(~IN_PROMPT)));
  const zero = f32x4.splat(0), repetition = f32x4.splat(row.repetition);
  const repeated = v128.bitselect(f32x4.div(l, repetition), f32x4.mul(l, repetition), f32x4.gt(l, zero));
  const present = v128.and(f32x4.splat(row.presence), f32x4.gt(times, zero));
  const first = v128.bitselect(repeated, l, i32x4.ne(seen, zero));
  const all = f32x4.sub(f32x4.sub(first, f32x4.mul(f32x4.splat(row.frequency), times)), present);
  return v128.bitselect(all, f32x4.splat(NOTHING), f32x4.ge(l, f32x4.splat(FLOOR)));
}

/** Whether a raw logit is NaN or infinite: the bits of its exponent are all set then, and of no other number's. */
export function overflows(w: Walk): bool {
  w.raw = 1;
  const exponent = i32x4.splat(0x7f800000);
  let found = i32x4.splat(0);
  for (let at = 0; at < w.vocab; at += 4) {
    found = v128.or(found, i32x4.eq(v128.and(logits4(w, at), exponent), exponent));
  }
  return v128.any_true(found);
}

/** The best after the last: the highest, of equal ones that of the lowest index. */
export function findBest(w: Walk): void {
  const last = f32x4.splat(w.last_value), lastIndex = i32x4.splat(w.last_index);
  const floor = f32x4.splat(w.cut3);
  let best = f32x4.splat(NOTHING), index = i32x4.splat(0);
  for (let at = 0; at < w.vocab; at += 4) {
    const l = logits4(w, at);
    const better = v128.and(f32x4.gt(l, best), v128.and(f32x4.le(l, last), f32x4.ge(l, floor)));
    if (!v128.any_true(better)) continue;
    const indices = i32x4.add(i32x4.splat(at), i32x4(0, 1, 2, 3));
    const after = v128.and(better, v128.or(f32x4.lt(l, last), i32x4.gt_s(indices, lastIndex)));
    best = v128.bitselect(l, best, after);
    index = v128.bitselect(indices, index, after);
  }
  settle(w, best, index);
}

/** Logits whose weights are summed by themselves first, so that a long vocabulary's sum loses no digits. */
const BLOCK: i32 = 1024;

/** What the logits from each cut on weigh together, and their number. */
export function weigh(w: Walk): void {
  const top = f32x4.splat(w.top), cold = f32x4.splat(w.cold);
  const c0 = f32x4.splat(w.cut0), c1 = f32x4.splat(w.cut1), c2 = f32x4.splat(w.cut2), c3 = f32x4.splat(w.cut3);
  const zero = f32x4.splat(0);
  let t0 = zero, t1 = zero, t2 = zero, t3 = zero, n0 = zero, n1 = zero, n2 = zero, n3 = zero;
  for (let from = 0; from < w.vocab; from += BLOCK) {
    const end = min(from + BLOCK, w.vocab);
    let w0 = zero, w1 = zero, w2 = zero, w3 = zero;
    for (let at = from; at < end; at += 4) {
      const l = logits4(w, at);
      const in3 = f32x4.ge(l, c3);
      if (!v128.any_true(in3)) continue;
      const e = exp4(f32x4.mul(f32x4.sub(l, top), cold));
      const in0 = f32x4.ge(l, c0), in1 = f32x4.ge(l, c1), in2 = f32x4.ge(l, c2);
      w0 = f32x4.add(w0, v128.and(e, in0));
      w1 = f32x4.add(w1, v128.and(e, in1));
      w2 = f32x4.add(w2, v128.and(e, in2));
      w3 = f32x4.add(w3, v128.and(e, in3));
      n0 = i32x4.sub(n0, in0);
      n1 = i32x4.sub(n1, in1);
      n2 = i32x4.sub(n2, in2);
      n3 = i32x4.sub(n3, in3);
    }
    t0 = f32x4.add(t0, w0);
    t1 = f32x4.add(t1, w1);
    t2 = f32x4.add(t2, w2);
    t3 = f32x4.add(t3, w3);
  }
  w.weight0 = across(t0);
  w.weight1 = across(t1);
  w.weight2 = across(t2);
  w.weight3 = across(t3);
  w.number0 = across(f32x4.convert_i32x4_s(n0));
  w.number1 = across(f32x4.convert_i32x4_s(n1));
  w.number2 = across(f32x4.convert_i32x4_s(n2));
  w.number3 = across(f32x4.convert_i32x4_s(n3));
}

/** The best of l · cold + noise, of the logits from cut3 on. */
export function draw(w: Walk): void {
  const row = changetype<LogitRow>(w.row);
  const stream = pcg(i32x4.splat(row.position ^ i32x4.extract_lane(pcg(i32x4.splat(row.seed)), 0)));
  const cold = f32x4.splat(w.cold), floor = f32x4.splat(w.cut3);
  let best = f32x4.splat(NOTHING), index = i32x4.splat(0);
  for (let at = 0; at < w.vocab; at += 4) {
    const l = logits4(w, at);
    const scaled = f32x4.mul(l, cold);
    // Most cannot win whatever their noise is, and most of the others not with theirs, of which the logarithms take long.
    let possible = v128.and(f32x4.ge(l, floor), f32x4.gt(f32x4.add(scaled, f32x4.splat(MOST_NOISE)), best));
    if (!v128.any_true(possible)) continue;
    const indices = i32x4.add(i32x4.splat(at), i32x4(0, 1, 2, 3));
    const v = uniform(v128.xor(indices, stream));
    possible = v128.and(possible, f32x4.gt(f32x4.add(scaled, atMost(v)), best));
    if (!v128.any_true(possible)) continue;
    const value = f32x4.add(scaled, gumbel(v));
    const better = v128.and(possible, f32x4.gt(value, best));
    best = v128.bitselect(value, best, better);
    index = v128.bitselect(indices, index, better);
  }
  settle(w, best, index);
}

/** The best of four lanes, equal ones by their index. */
function settle(w: Walk, best: v128, index: v128): void {
  w.best_value = f32x4.extract_lane(best, 0);
  w.best_index = i32x4.extract_lane(index, 0);
  settleLane(w, f32x4.extract_lane(best, 1), i32x4.extract_lane(index, 1));
  settleLane(w, f32x4.extract_lane(best, 2), i32x4.extract_lane(index, 2));
  settleLane(w, f32x4.extract_lane(best, 3), i32x4.extract_lane(index, 3));
}

function settleLane(w: Walk, value: f32, index: i32): void {
  if (value > w.best_value || (value == w.best_value && index < w.best_index)) {
    w.best_value = value;
    w.best_index = index;
  }
}

/** In (0, 1), of four hashed tokens. */
@inline
function uniform(tokens: v128): v128 {
  const v = f32x4.mul(f32x4.add(f32x4.convert_i32x4_u(pcg(tokens)), f32x4.splat(0.5)), f32x4.splat(2.3283064365386963e-10));
  return f32x4.pmin(v, f32x4.splat(0.99999994));
}

/** A bound of the noise: −log v, whose exponent is a whole number of ln 2, and rounding. */
@inline
function atMost(v: v128): v128 {
  const exponent = f32x4.convert_i32x4_s(i32x4.sub(i32x4.splat(127), i32x4.shr_u(v, 23)));
  return f32x4.add(f32x4.mul(exponent, f32x4.splat(0.6931472)), f32x4.splat(0.001));
}

/**
 * Gumbel noise, −log(−log(1 − v)). For small v, where the noise is large and 1 − v would round, by the series of log(1 − v).
 */
@inline
function gumbel(v: v128): v128 {
  const one = f32x4.splat(1);
  const third = f32x4.div(v, f32x4.splat(3));
  const series = f32x4.mul(v, f32x4.add(one, f32x4.mul(v, f32x4.add(f32x4.splat(0.5), third))));
  const exact = f32x4.neg(log4(f32x4.sub(one, v)));
  return f32x4.neg(log4(v128.bitselect(series, exact, f32x4.lt(v, f32x4.splat(0.01)))));
}

/** PCG's output hash (Jarzynski & Olano 2020). */
@inline
function pcg(v: v128): v128 {
  const state = i32x4.add(i32x4.mul(v, i32x4.splat(747796405)), i32x4.splat(<i32>2891336453));
  // A shift by 4 and by the lane's own four highest bits, a bit at a time: lanes have no shifts of their own.
  const by = i32x4.shr_u(state, 28);
  let x = i32x4.shr_u(state, 4);
  x = v128.bitselect(i32x4.shr_u(x, 8), x, i32x4.shr_s(i32x4.shl(by, 28), 31));
  x = v128.bitselect(i32x4.shr_u(x, 4), x, i32x4.shr_s(i32x4.shl(by, 29), 31));
  x = v128.bitselect(i32x4.shr_u(x, 2), x, i32x4.shr_s(i32x4.shl(by, 30), 31));
  x = v128.bitselect(i32x4.shr_u(x, 1), x, i32x4.shr_s(i32x4.shl(by, 31), 31));
  const word = i32x4.mul(v128.xor(x, state), i32x4.splat(277803737));
  return v128.xor(i32x4.shr_u(word, 22), word);
}
