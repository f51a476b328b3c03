// Semantics: picks a token for each row of logits, or scores the token it is given, and reports log-probabilities.
// Order: log-probabilities of the raw logits; biases; penalties; mask; temperature; top-k; top-p of what top-k kept; min-p;
// draw.
// A draw is the arg max of logit / temperature + Gumbel noise (Gumbel-max; Maddison et al. 2014), the noise hashed from
// (seed, position, token), so that it depends on nothing else. Thresholds are found without sorting: equal logits are kept
// or dropped together. Greedy ties: the lowest id, and where a temperature is so low that the logits divided by it overflow.
// A row with a NaN or an infinity gives OVERFLOW in place of the id, and token 0 for whoever reads `sampled` before the
// host has seen that.
// Of a row, the first `ids` logits count where it says so, and the others are as if there were none.
// Shapes: logits [R, VOCAB] f32; counts [rows, VOCAB]: occurrences in the output, and IN_PROMPT, and behind them rows of
// biases, f32 bits; masks [slots, ceil(VOCAB / 32)] bits; results [R, RESULT] words: id, log-probability, then pairs of
// the same.
// One workgroup a row. It walks the row once for what each stage needs: one walk in the text, with stages around it, because
// a walk for each purpose takes software adapters half a minute to compile.
const SAMPLE = 0xffffffffu;
const NO_MASK = 0xffffffffu;
const NO_BIAS = 0xffffffffu;
const IN_PROMPT = 0x80000000u;
const OVERFLOW = 0xffffffffu;

@group(0) @binding(0) var<storage, read> rows: array<LogitRow>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read_write> sampled: array<u32>;
@group(0) @binding(5) var<storage, read_write> results: array<u32>;

const THREADS = 256u;
const N = u32(VOCAB);
const N4 = (N + 3u) / 4u;
const FLOOR = -3.0e38;    // below every logit that counts
const NOTHING = -3.4e38;  // in place of a logit that is masked, or past the end
const LARGEST = 1.0e38;   // of a logit divided by its temperature
const EXPONENT = 0x7f800000u;  // the bits of f32 that are all set in a NaN or an infinity alone

// Stages, in order. Those before PICK see the raw logits.
const LIKELIEST = 0u;  // the best logit
const NORMALISE = 1u;  // the sum of exp
const NEXT = 2u;       // the best logit after the last reported
const PICK = 3u;       // the best logit
const TOP_K = 4u;      // a threshold that keeps top_k logits
const TOP_P = 5u;      // one that keeps top_p of what is left
const DRAW = 6u;       // the best logit with noise
const DONE = 7u;

struct Found {
  value: f32,
  index: u32,
}
const FIRST = Found(3.4e38, 0u);  // every logit comes after it

// What a walk is about. A logit weighs exp((l - top) * cold): 1 where cold is 0.
struct Walk {
  stage: u32,
  last: Found,  // the best is looked for after this one
  top: f32,
  cold: f32,
  cuts: vec4f,  // falling; logits below the last are passed over
}

// What a walk gives: the best, and of the logits from each cut on, what they weigh together and how many they are.
struct Gathered {
  best: Found,
  broken: u32,  // 1: a raw logit is NaN or infinite
  weight: vec4f,
  number: vec4f,
}
var<workgroup> gathered: array<Gathered, THREADS>;

// Where a threshold is looked for: from `low`, which reaches the goal, up to below `high`, which does not.
struct Bracket {
  low: f32,
  high: f32,
  above: f32,   // number of logits from `high` on
  wanted: f32,  // the goal: a weight; 0: not known yet
  reach: f32,   // cuts go so far, and further, below the top; 0: evenly through the bracket
  settled: bool,
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let r = group.x;
  let row = rows[r];
  let after_report = select(DONE, PICK, row.given == SAMPLE);
  var walk = Walk(select(after_report, LIKELIEST, row.report > 0u), FIRST, 0.0, 1.0, vec4f(FLOOR));
  var id = row.given;
  var normaliser = 0.0;
  var reported = 0u;
  var broken = 0u;
  var bracket: Bracket;
  while (walk.stage != DONE) {
    let all = gather(row, r, walk, lane);
    broken |= all.broken;
    if (broken != 0u) { break; }
    switch (walk.stage) {
      case LIKELIEST: {
        walk.last = all.best;
        walk.top = all.best.value;
        walk.stage = NORMALISE;
      }
      case NORMALISE, NEXT: {
        if (walk.stage == NEXT) { walk.last = all.best; } else { normaliser = walk.top + log(all.weight.w); }
        if (reported + 1u < row.report) {
          reported++;
          if (lane == 0u) { report(r, reported, walk.last.index, normaliser); }
        }
        walk.stage = select(after_report, NEXT, reported + 1u < row.report);
        if (walk.stage == PICK) { walk.last = FIRST; }
      }
      case DRAW: {
        if (all.best.value > NOTHING) { id = all.best.index; }
        walk.stage = DONE;
      }
      default: {
        if (walk.stage == PICK) {
          id = all.best.index;
          walk.top = all.best.value;
          bracket = Bracket(FLOOR, 0.0, 0.0, 0.0, 0.0, true);
        } else {
          bracket = narrowed(bracket, walk.cuts, all, row.top_p);
        }
        if (bracket.settled) {
          walk.stage = stage_after(row, walk);
          walk.cold = select(1.0 / row.temperature, 0.0, walk.stage == TOP_K);
          bracket = bracket_for(row, walk, bracket.low);
        }
        walk.cuts = cuts_of(bracket, walk.top);
      }
    }
  }
  if (lane == 0u && broken != 0u) {
    results[r * RESULT] = OVERFLOW;
    if (row.given == SAMPLE) { sampled[row.slot] = 0u; }
  } else if (lane == 0u) {
    report(r, 0u, id, normaliser);
    if (row.given == SAMPLE) {
      sampled[row.slot] = id;
      if (row.counted != 0u) { counts[row.slot * N + id] += 1u; }
    }
  }
}

fn report(r: u32, place: u32, id: u32, normaliser: f32) {
  let at = r * RESULT + 2u * place;
  results[at] = id;
  results[at + 1u] = bitcast<u32>(raw4(r, id / 4u)[id % 4u] - normaliser);
}

// Ids that a row has logits of.
fn ids_of(row: LogitRow) -> u32 {
  return select(row.ids, N, row.ids == 0u);
}

fn stage_after(row: LogitRow, walk: Walk) -> u32 {
  let stage = walk.stage;
  if (row.temperature == 0.0 || abs(walk.top) > row.temperature * LARGEST) { return DONE; }
  if (stage < TOP_K && row.top_k > 0u && row.top_k < ids_of(row)) { return TOP_K; }
  if (stage < TOP_P && row.top_p < 1.0) { return TOP_P; }
  return DRAW;
}

// Where a stage begins to look, given the threshold that the one before left.
fn bracket_for(row: LogitRow, walk: Walk, least: f32) -> Bracket {
  let high = walk.top + max(1.0e-6 * abs(walk.top), 1.0e-30);
  if (walk.stage == TOP_K) { return Bracket(least, high, 0.0, f32(row.top_k), 1.0, false); }
  if (walk.stage == TOP_P) { return Bracket(least, high, 0.0, 0.0, row.temperature, false); }
  let likely = select(FLOOR, walk.top + row.temperature * log(row.min_p), row.min_p > 0.0);
  return Bracket(max(least, likely), high, 0.0, 0.0, 0.0, false);
}

fn cuts_of(bracket: Bracket, top: f32) -> vec4f {
  var cuts = vec4f(bracket.high) - (bracket.high - bracket.low) * vec4f(0.25, 0.5, 0.75, 1.0);
  if (bracket.reach > 0.0) {
    cuts = clamp(vec4f(top) - bracket.reach * vec4f(1.0, 4.0, 16.0, 64.0), vec4f(bracket.low), vec4f(bracket.high));
  }
  return vec4f(cuts.xyz, bracket.low);
}

// The bracket between two neighbouring cuts. Settled where its low end keeps what the threshold would: one logit is left
// in it, or only equal ones, or all that there are do not reach the goal.
fn narrowed(before: Bracket, cuts: vec4f, all: Gathered, top_p: f32) -> Bracket {
  var bracket = before;
  if (bracket.wanted == 0.0) { bracket.wanted = top_p * all.weight.w; }
  var n = 0u;
  for (; n < 3u && all.weight[n] < bracket.wanted; n++) {
    bracket.high = cuts[n];
    bracket.above = all.number[n];
  }
  bracket.low = cuts[n];
  bracket.reach = select(0.0, bracket.reach * 64.0, n == 3u);
  let middle = bracket.high - (bracket.high - bracket.low) * 0.5;
  let whole = bracket.low < middle && middle < bracket.high;
  bracket.settled = all.number[n] - bracket.above <= 1.0 || !whole || all.weight.w < bracket.wanted;
  return bracket;
}

// Walks the row, and gathers what the lanes found.
fn gather(row: LogitRow, r: u32, walk: Walk, lane: u32) -> Gathered {
  var mine = Gathered(Found(NOTHING, 0u), 0u, vec4f(0.0), vec4f(0.0));
  let ids = ids_of(row);
  for (var i = lane; 4u * i < ids; i += THREADS) {
    let inside = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(ids);
    let raw = select(vec4f(NOTHING), raw4(r, i), inside);
    mine.broken |= u32(any((bitcast<vec4u>(raw) & vec4u(EXPONENT)) == vec4u(EXPONENT)));
    let l = logits4(row, raw, i, walk.stage < PICK);
    if (!any(l >= vec4f(walk.cuts.w))) { continue; }
    if (walk.stage == NORMALISE || walk.stage == TOP_K || walk.stage == TOP_P) {
      let w = exp((l - walk.top) * walk.cold);
      for (var n = 0u; n < 4u; n++) {
        let held = vec4f(l[n]) >= walk.cuts;
        mine.weight += select(vec4f(0.0), vec4f(w[n]), held);
        mine.number += select(vec4f(0.0), vec4f(1.0), held);
      }
      continue;
    }
    var value = l;
    if (walk.stage == DRAW) { value = select(vec4f(NOTHING), l * walk.cold + gumbel4(row, 4u * i), l >= vec4f(walk.cuts.w)); }
    for (var n = 0u; n < 4u; n++) {
      let at = 4u * i + n;
      let after = value[n] < walk.last.value || (value[n] == walk.last.value && at > walk.last.index);
      if (after && value[n] > mine.best.value) { mine.best = Found(value[n], at); }
    }
  }
  gathered[lane] = mine;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < THREADS; i++) { join(i); }
  }
  return workgroupUniformLoad(&gathered[0]);
}

// Adds to what lane 0 found.
fn join(i: u32) {
  let other = gathered[i];
  let best = gathered[0].best;
  if (other.best.value > best.value || (other.best.value == best.value && other.best.index < best.index)) {
    gathered[0].best = other.best;
  }
  gathered[0].broken |= other.broken;
  gathered[0].weight += other.weight;
  gathered[0].number += other.number;
}

// Four logits; unless as they are, with biases, penalties and mask. Repetition as CTRL (Keskar et al. 2019, §4.1); presence
// and frequency as OpenAI's API.
fn logits4(row: LogitRow, raw: vec4f, i: u32, as_it_is: bool) -> vec4f {
  var l = raw;
  if (as_it_is) { return l; }
  if (row.bias != NO_BIAS) {
    let at = row.bias * N + min(vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u), vec4u(N - 1u));
    let bias = bitcast<vec4f>(vec4u(counts[at.x], counts[at.y], counts[at.z], counts[at.w]));
    l = select(vec4f(NOTHING), l + bias, l >= vec4f(FLOOR));
  }
  if (row.counted != 0u) {
    let at = row.slot * N + min(vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u), vec4u(N - 1u));
    let seen = vec4u(counts[at.x], counts[at.y], counts[at.z], counts[at.w]);
    let times = vec4f(seen & vec4u(~IN_PROMPT));
    let repeated = select(l * row.repetition, l / row.repetition, l > vec4f(0.0));
    let present = select(vec4f(0.0), vec4f(row.presence), times > vec4f(0.0));
    let penalised = select(l, repeated, seen != vec4u(0u)) - row.frequency * times - present;
    l = select(vec4f(NOTHING), penalised, l >= vec4f(FLOOR));
  }
  if (row.mask != NO_MASK) {
    let bits = masks[row.mask * ((N + 31u) / 32u) + i / 8u] >> (i % 8u * 4u);
    l = select(vec4f(NOTHING), l, (vec4u(bits) & vec4u(1u, 2u, 4u, 8u)) != vec4u(0u));
  }
  return l;
}

// Gumbel noise, -log(-log(1 - v)) for v uniform in (0, 1), of four tokens. For small v, where the noise is large and 1 - v
// would round, by the series of log(1 - v).
fn gumbel4(row: LogitRow, token: u32) -> vec4f {
  let stream = pcg(vec4u(row.position ^ pcg(vec4u(row.seed)).x));
  let h = pcg((vec4u(token) + vec4u(0u, 1u, 2u, 3u)) ^ stream);
  let v = min((vec4f(h) + 0.5) / 4294967296.0, vec4f(0.99999994));
  return -log(select(-log(1.0 - v), v * (1.0 + v * (0.5 + v / 3.0)), v < vec4f(0.01)));
}

// PCG's output hash (Jarzynski & Olano 2020).
fn pcg(v: vec4u) -> vec4u {
  let state = v * 747796405u + 2891336453u;
  let word = ((state >> ((state >> vec4u(28u)) + vec4u(4u))) ^ state) * 277803737u;
  return (word >> vec4u(22u)) ^ word;
}
