// Semantics: picks a token for each row of logits, or scores the token it is given, and reports log-probabilities.
// Order: log-probabilities of the raw logits; mask; penalties; temperature; top-k; top-p of what top-k kept; min-p; draw.
// A draw is the arg max of logit / temperature + Gumbel noise (Gumbel-max; Maddison et al. 2014), the noise hashed from
// (seed, position, token), so that it depends on nothing else. Thresholds are found bit by bit, without sorting: equal
// logits are kept or dropped together. Greedy ties: the lowest id.
// Shapes: logits [R, VOCAB] f32 (overwritten by mask and penalties); counts [rows, VOCAB]: occurrences in the output, and
// IN_PROMPT; masks [slots, ceil(VOCAB / 32)] bits; results [R, RESULT] words: id, log-probability, then pairs of the same.
// One workgroup a row.
struct LogitRow {
  token: u32,
  row: u32,          // of per-sequence device state
  given: u32,        // token to score, or SAMPLE
  position: u32,     // of the token that is picked
  temperature: f32,  // 0: greedy
  top_k: u32,        // 0: all
  top_p: f32,
  min_p: f32,
  repetition: f32,
  presence: f32,
  frequency: f32,
  seed: u32,
  report: u32,       // 0: no log-probabilities, 1 + K: the token's and those of the K likeliest
  mask: u32,         // slot of its mask, or NO_MASK
  counted: u32,      // 1: keeps counts (a penalty is set)
  _pad: u32,
}
const SAMPLE = 0xffffffffu;
const NO_MASK = 0xffffffffu;
const IN_PROMPT = 0x80000000u;
const FLOOR = -3.0e38;

@group(0) @binding(0) var<storage, read> rows: array<LogitRow>;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read_write> sampled: array<u32>;
@group(0) @binding(5) var<storage, read_write> results: array<u32>;

const THREADS = 256u;
const N = u32(VOCAB);
var<workgroup> values: array<f32, THREADS>;
var<workgroup> indices: array<u32, THREADS>;
var<workgroup> found: Found;

struct Found {
  value: f32,
  index: u32,
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = rows[group.x];
  let base = group.x * N;
  let result = group.x * RESULT;
  var normaliser = 0.0;
  if (row.report > 0u) {
    normaliser = log_sum_exp(base, lane);
    var last = Found(3.4e38, 0u);
    for (var k = 0u; k + 1u < row.report; k++) {
      last = best_after(base, last, k == 0u, lane);
      if (lane == 0u) {
        results[result + 2u + 2u * k] = last.index;
        results[result + 3u + 2u * k] = bitcast<u32>(last.value - normaliser);
      }
    }
  }
  if (row.given != SAMPLE) {
    if (lane == 0u) { report(result, row.given, logits[base + row.given] - normaliser); }
    return;
  }
  var raw = 0.0;
  let plain = row.mask == NO_MASK && row.counted == 0u;
  var picked: Found;
  if (row.temperature == 0.0) {
    if (!plain) { adjust(row, base, lane); }
    picked = best_after(base, Found(3.4e38, 0u), true, lane);
  } else {
    if (!plain) { adjust(row, base, lane); }
    picked = draw(row, base, lane);
  }
  if (lane == 0u) {
    let id = picked.index;
    sampled[row.row] = id;
    raw = logits[base + id];
    if (row.counted != 0u) {
      raw = undo(row, raw, counts[row.row * N + id]);
      counts[row.row * N + id] += 1u;
    }
    report(result, id, raw - normaliser);
  }
}

fn report(result: u32, id: u32, logprob: f32) {
  results[result] = id;
  results[result + 1u] = bitcast<u32>(logprob);
}

// Mask and penalties, in place. Repetition as CTRL (Keskar et al. 2019, §4.1); presence and frequency as OpenAI's API.
fn adjust(row: LogitRow, base: u32, lane: u32) {
  for (var i = lane; i < N; i += THREADS) {
    var l = logits[base + i];
    if (row.counted != 0u) {
      let seen = counts[row.row * N + i];
      if (seen != 0u) { l = select(l * row.repetition, l / row.repetition, l > 0.0); }
      let times = f32(seen & ~IN_PROMPT);
      l -= row.frequency * times + select(0.0, row.presence, times > 0.0);
    }
    if (row.mask != NO_MASK) {
      let bits = masks[row.mask * ((N + 31u) / 32u) + i / 32u];
      if (((bits >> (i % 32u)) & 1u) == 0u) { l = FLOOR; }
    }
    logits[base + i] = l;
  }
  storageBarrier();
}

// The raw logit of a token whose penalised one is known.
fn undo(row: LogitRow, adjusted: f32, seen: u32) -> f32 {
  let times = f32(seen & ~IN_PROMPT);
  let l = adjusted + row.frequency * times + select(0.0, row.presence, times > 0.0);
  return select(l, select(l / row.repetition, l * row.repetition, l > 0.0), seen != 0u);
}

fn draw(row: LogitRow, base: u32, lane: u32) -> Found {
  let top = best_after(base, Found(3.4e38, 0u), true, lane).value;
  var threshold = select(FLOOR, top + row.temperature * log(row.min_p), row.min_p > 0.0);
  if (row.top_k > 0u && row.top_k < N) {
    threshold = max(threshold, highest_holding(base, FLOOR, 0.0, 0.0, f32(row.top_k), lane));
  }
  if (row.top_p < 1.0) {
    let cold = 1.0 / row.temperature;
    let mass = total(base, threshold, top, cold, lane);
    threshold = max(threshold, highest_holding(base, threshold, top, cold, row.top_p * mass, lane));
  }
  var best = FLOOR * 1.1;
  var chosen = 0u;
  for (var i = lane; i < N; i += THREADS) {
    let l = logits[base + i];
    if (l < threshold || l <= FLOOR) { continue; }
    let noisy = l / row.temperature - log(-log(uniform01(row.seed, row.position, i)));
    if (noisy > best) {
      best = noisy;
      chosen = i;
    }
  }
  return reduce_best(best, chosen, lane);
}

// The highest threshold for which the weight of logits in [threshold, inf) and at least `floor` reaches `goal`. The weight
// of a logit is exp((l - top) * cold), or 1 with cold = 0. Two bits of the order-preserving key a pass.
fn highest_holding(base: u32, floor: f32, top: f32, cold: f32, goal: f32, lane: u32) -> f32 {
  var prefix = 0u;
  for (var shift = 30i; shift >= 0; shift -= 2) {
    let s = u32(shift);
    let one = prefix + (1u << s);
    let two = prefix + (2u << s);
    let three = prefix + (3u << s);
    var held = vec3f(0.0);
    for (var i = lane; i < N; i += THREADS) {
      let l = logits[base + i];
      if (l < floor) { continue; }
      let key = order_key(l);
      let weight = select(exp((l - top) * cold), 1.0, cold == 0.0);
      held += select(vec3f(0.0), vec3f(weight), vec3u(key) >= vec3u(one, two, three));
    }
    let h1 = sum_all(held.x, lane);
    let h2 = sum_all(held.y, lane);
    let h3 = sum_all(held.z, lane);
    if (h3 >= goal) { prefix = three; } else if (h2 >= goal) { prefix = two; } else if (h1 >= goal) { prefix = one; }
  }
  return from_key(prefix);
}

fn total(base: u32, floor: f32, top: f32, cold: f32, lane: u32) -> f32 {
  var sum = 0.0;
  for (var i = lane; i < N; i += THREADS) {
    let l = logits[base + i];
    if (l >= floor) { sum += exp((l - top) * cold); }
  }
  return sum_all(sum, lane);
}

fn log_sum_exp(base: u32, lane: u32) -> f32 {
  let top = best_after(base, Found(3.4e38, 0u), true, lane).value;
  return top + log(total(base, -3.4e38, top, 1.0, lane));
}

// The best logit after `last` in the order (value falling, index rising); the best of all with `first`.
fn best_after(base: u32, last: Found, first: bool, lane: u32) -> Found {
  var best = -3.4e38;
  var chosen = 0u;
  for (var i = lane; i < N; i += THREADS) {
    let l = logits[base + i];
    let after = first || l < last.value || (l == last.value && i > last.index);
    if (after && l > best) {
      best = l;
      chosen = i;
    }
  }
  return reduce_best(best, chosen, lane);
}

fn reduce_best(value: f32, index: u32, lane: u32) -> Found {
  values[lane] = value;
  indices[lane] = index;
  workgroupBarrier();
  if (lane == 0u) {
    var best = Found(values[0], indices[0]);
    for (var i = 1u; i < THREADS; i++) {
      if (values[i] > best.value || (values[i] == best.value && indices[i] < best.index)) {
        best = Found(values[i], indices[i]);
      }
    }
    found = best;
  }
  return workgroupUniformLoad(&found);
}

fn sum_all(value: f32, lane: u32) -> f32 {
  values[lane] = value;
  workgroupBarrier();
  if (lane == 0u) {
    var sum = 0.0;
    for (var i = 0u; i < THREADS; i++) { sum += values[i]; }
    found.value = sum;
  }
  return workgroupUniformLoad(&found).value;
}

// f32 to u32 so that order is kept: negative numbers have all bits flipped, others the sign bit.
fn order_key(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

fn from_key(key: u32) -> f32 {
  if (key == 0u) { return FLOOR; }
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}

// A number in (0, 1), a function of its arguments alone (PCG output hash, Jarzynski & Olano 2020, chained).
fn uniform01(seed: u32, position: u32, token: u32) -> f32 {
  let h = pcg(token ^ pcg(position ^ pcg(seed)));
  return (f32(h >> 8u) + 0.5) / 16777216.0;
}

fn pcg(input: u32) -> u32 {
  let state = input * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}
