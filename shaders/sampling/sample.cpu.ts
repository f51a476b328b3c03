// Semantics: picks a token for each row of logits, or scores the token it is given, and reports log-probabilities.
// Order: log-probabilities of the raw logits; biases; penalties; mask; temperature; top-k; top-p of what top-k kept; min-p;
// draw.
// A draw is the arg max of logit / temperature + Gumbel noise (Gumbel-max; Maddison et al. 2014), the noise hashed from
// (seed, position, token), so that it depends on nothing else. Thresholds are found without sorting: equal logits are kept
// or dropped together. Greedy ties: the lowest id.
// Of a row, the first `ids` logits are read where it says so, and the others are as if there were none.
// Shapes: logits [R, VOCAB] f32; counts [rows, VOCAB]: occurrences in the output, and IN_PROMPT, and behind them rows of
// biases, f32 bits; masks [slots, ceil(VOCAB / 32)] bits; results [R, RESULT] words: id, log-probability, then pairs of the
// same. What lies behind the last row of logits and of counts, up to 12 bytes, may be read.
// Items: rows of logits. Stages and thresholds are those of sample.wgsl.
import { draw, findBest, FIRST, FLOOR, NOTHING, overflows, Walk, weigh } from "../cpu/logits_walk.cpu";
import { log1 } from "../cpu/math.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { LogitRow, logitRowAt } from "../step.cpu";

@unmanaged
export class SampleArgs {
  rows: usize;
  logits: usize;
  counts: usize;
  masks: usize;
  sampled: usize;
  results: usize;
  VOCAB: i32;
  RESULT: i32;
}

const SAMPLE: u32 = 0xffffffff;
const NO_MASK: u32 = 0xffffffff;
/** In place of the id of a row with a NaN or an infinity. Whoever reads `sampled` before the host has seen that, reads token 0. */
const OVERFLOW: u32 = 0xffffffff;
/** Of a logit divided by its temperature: beyond it the best is taken, as at temperature 0. */
const LARGEST: f32 = 1.0e38;
const NO_BIAS: u32 = 0xffffffff;
/** Stages that look for a threshold. */
const TOP_K: i32 = 0;
const TOP_P: i32 = 1;

/** Where a threshold is looked for: from `low`, which reaches the goal, up to below `high`, which does not. */
@unmanaged
class Bracket {
  low: f32;
  high: f32;
  above: f32;  // number of logits from `high` on
  wanted: f32; // the goal: a weight; 0: not known yet
  reach: f32;  // cuts go so far, and further, below the top; 0: evenly through the bracket
}
const BRACKET: usize = 128;

export function sample(args: usize, first: i32, end: i32): void {
  const a = changetype<SampleArgs>(args);
  for (let r = first; r < end; r++) sampleRow(a, r, logitRowAt(a.rows, r));
}

function sampleRow(a: SampleArgs, r: i32, row: LogitRow): void {
  const w = changetype<Walk>(scratch);
  const counts = a.counts + (<usize>row.slot * a.VOCAB << 2);
  w.logits = a.logits + (<usize>r * a.VOCAB << 2);
  w.counts = row.counted ? counts : 0;
  w.biases = row.bias == NO_BIAS ? 0 : a.counts + (<usize>row.bias * a.VOCAB << 2);
  w.mask = row.mask == NO_MASK ? 0 : a.masks + (<usize>row.mask * ((a.VOCAB + 31) >> 5) << 2);
  w.row = changetype<usize>(row);
  w.vocab = row.ids > 0 ? row.ids : a.VOCAB;
  if ((row.report > 0 || row.given == SAMPLE) && overflows(w)) {
    store<u32>(a.results + (<usize>(r * a.RESULT) << 2), OVERFLOW);
    if (row.given == SAMPLE) store<u32>(a.sampled + (<usize>row.slot << 2), 0);
    return;
  }
  const normaliser = row.report > 0 ? reportLikeliest(a, w, r, row.report) : 0;
  const id = row.given == SAMPLE ? pick(w, row) : row.given;
  report(a, w, r, 0, id, normaliser);
  if (row.given == SAMPLE) {
    store<u32>(a.sampled + (<usize>row.slot << 2), id);
    const count = counts + (<usize>id << 2);
    if (row.counted) store<u32>(count, load<u32>(count) + 1);
  }
}

@inline
function report(a: SampleArgs, w: Walk, r: i32, place: i32, id: u32, normaliser: f32): void {
  const at = a.results + (<usize>(r * a.RESULT + 2 * place) << 2);
  store<u32>(at, id);
  store<f32>(at, load<f32>(w.logits + (<usize>id << 2)) - normaliser, 4);
}

/** Reports the likeliest tokens, one fewer than `count`. Gives the logarithm of the sum of exp of all raw logits. */
function reportLikeliest(a: SampleArgs, w: Walk, r: i32, count: i32): f32 {
  w.raw = 1;
  w.last_value = FIRST;
  w.last_index = 0;
  cutAt(w, FLOOR);
  findBest(w);
  w.top = w.best_value;
  w.cold = 1;
  weigh(w);
  const normaliser = w.top + log1(w.weight3);
  for (let place = 1; place < count; place++) {
    report(a, w, r, place, w.best_index, normaliser);
    w.last_value = w.best_value;
    w.last_index = w.best_index;
    if (place + 1 < count) findBest(w);
  }
  return normaliser;
}

/** The token of the highest logit, or one drawn by the row's rules. */
function pick(w: Walk, row: LogitRow): u32 {
  w.raw = 0;
  w.last_value = FIRST;
  w.last_index = 0;
  cutAt(w, FLOOR);
  findBest(w);
  const best = w.best_index;
  w.top = w.best_value;
  if (row.temperature == 0 || abs<f32>(w.top) > row.temperature * LARGEST) return best;
  let least = FLOOR;
  if (row.top_k > 0 && row.top_k < w.vocab) least = threshold(w, row, TOP_K, least);
  if (row.top_p < 1) least = threshold(w, row, TOP_P, least);
  if (row.min_p > 0) least = max<f32>(least, w.top + row.temperature * log1(row.min_p));
  w.cold = 1 / row.temperature;
  cutAt(w, least);
  draw(w);
  return w.best_value > NOTHING ? w.best_index : best;
}

function cutAt(w: Walk, least: f32): void {
  w.cut0 = least;
  w.cut1 = least;
  w.cut2 = least;
  w.cut3 = least;
}

/** Narrows a bracket down to a threshold that keeps what the stage wants, of the logits from `least` on. */
function threshold(w: Walk, row: LogitRow, stage: i32, least: f32): f32 {
  const bracket = changetype<Bracket>(scratch + BRACKET);
  bracket.low = least;
  bracket.high = w.top + max<f32>(1.0e-6 * abs<f32>(w.top), 1.0e-30);
  bracket.above = 0;
  bracket.wanted = stage == TOP_K ? <f32>row.top_k : 0;
  bracket.reach = stage == TOP_K ? 1 : row.temperature;
  w.cold = stage == TOP_K ? 0 : 1 / row.temperature;
  do {
    cut(w, bracket);
    weigh(w);
  } while (!narrowed(bracket, w, row.top_p));
  return bracket.low;
}

function cut(w: Walk, bracket: Bracket): void {
  const low = bracket.low, high = bracket.high, width = high - low;
  if (bracket.reach > 0) {
    w.cut0 = min<f32>(max<f32>(w.top - bracket.reach, low), high);
    w.cut1 = min<f32>(max<f32>(w.top - bracket.reach * 4, low), high);
    w.cut2 = min<f32>(max<f32>(w.top - bracket.reach * 16, low), high);
  } else {
    w.cut0 = high - width * 0.25;
    w.cut1 = high - width * 0.5;
    w.cut2 = high - width * 0.75;
  }
  w.cut3 = low;
}

/**
 * Takes the bracket between two neighbouring cuts. Whether it is settled, that is, its low end keeps what the threshold
 * would: one logit is left in it, or only equal ones, or all that there are do not reach the goal.
 */
function narrowed(bracket: Bracket, w: Walk, top_p: f32): bool {
  if (bracket.wanted == 0) bracket.wanted = top_p * w.weight3;
  let number = w.number0, low = w.cut0;
  if (w.weight0 < bracket.wanted) {
    bracket.high = w.cut0;
    bracket.above = w.number0;
    number = w.number1;
    low = w.cut1;
    if (w.weight1 < bracket.wanted) {
      bracket.high = w.cut1;
      bracket.above = w.number1;
      number = w.number2;
      low = w.cut2;
      if (w.weight2 < bracket.wanted) {
        bracket.high = w.cut2;
        bracket.above = w.number2;
        number = w.number3;
        low = w.cut3;
        bracket.reach *= 64;
      } else bracket.reach = 0;
    } else bracket.reach = 0;
  } else bracket.reach = 0;
  bracket.low = low;
  const middle = bracket.high - (bracket.high - bracket.low) * 0.5;
  const whole = bracket.low < middle && middle < bracket.high;
  return number - bracket.above <= 1 || !whole || w.weight3 < bracket.wanted;
}
