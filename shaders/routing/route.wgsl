// Semantics: for every token of a sequence, its list of (adapter, gate): a copy of the sequence's fixed list, or its
// router's choice. Logits: mlp z = fc2 · gate + b2, memoryless ℓ = z, belief ℓ = log b_t with
// b_t ∝ exp(z[0..E)) ⊙ ((1 − ρ) b_{t−1} + ρ / E), ρ = sigmoid(z[E]); arrow ℓ = |v · x|; uniform ℓ = 0; vocabulary: by id;
// keys ℓ = the cosines' average s_t = s_{t−1} + max(1 / (t + 1), 1 − memory) (cos_t − s_{t−1}), where it reaches the threshold.
// Gates: p = softmax(ℓ / temperature), the top k kept (ties: lower index), 1/k each or renormalised. An expert that cannot
// be chosen (arrow: without a prototype; keys: below its threshold) is never kept, so a list may be shorter than k. Where no
// key is met, the default expert stands alone. What a router chose is followed by the sequence's fixed list, which is empty
// where nothing stands beside the router.
// Shapes: gate [T, GATE_WIDTH], evidence [T, EXPERTS + 1] scratch, belief [SEQUENCES + pages, EXPERTS] log b or s, of every
// sequence's last token and of the last token in every full page of KV; table [T, ENTRIES].
// One workgroup a sequence, since a belief runs through its tokens in order. It begins from the page before, where there
// is a full one: the page may have been filled for another sequence that began alike.
@group(0) @binding(0) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(1) var<storage, read> fixed_entries: array<Entry>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read> gate: array<vec4f>;
@group(0) @binding(4) var<storage, read> pool: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> evidence: array<f32>;
@group(0) @binding(6) var<storage, read_write> belief: array<f32>;
@group(0) @binding(7) var<storage, read_write> table: array<Entry>;
@group(0) @binding(8) var<storage, read> blocks: array<u32>;

const THREADS = 64u;
const STRIDE = u32(EXPERTS + 1);

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let sequence = sequences[group.x];
  let router = sequence.router;
  if (router == 0u) {
    for (var i = lane; i < sequence.count * ENTRIES; i += THREADS) {
      table[sequence.first * ENTRIES + i] = fixed_entries[sequence.fixed + i % ENTRIES];
    }
    return;
  }
  let kind = u32(pool[router].x);
  if (kind == VOCABULARY) {
    for (var t = lane; t < sequence.count; t += THREADS) {
      by_vocabulary(router, sequence.fixed, sequence.first + t);
    }
    return;
  }
  let experts = u32(pool[router].y);
  let memory = pool[router + 1u].z;
  let believes = kind != KEYS && memory != 0.0;
  let outputs = experts + select(0u, 1u, believes);
  for (var i = lane; i < sequence.count * outputs; i += THREADS) {
    let token = sequence.first + i / outputs;
    evidence[token * STRIDE + i % outputs] = logit(router, kind, token, i % outputs);
  }
  storageBarrier();
  if (believes && lane == 0u) { filter_belief(sequence, experts); }
  if (kind == KEYS && memory != 0.0) {
    for (var e = lane; e < experts; e += THREADS) { average_cosines(sequence, e, memory); }
  }
  storageBarrier();
  for (var t = lane; t < sequence.count; t += THREADS) {
    keep_top(router, sequence.fixed, sequence.first + t, experts);
  }
}

fn logit(router: u32, kind: u32, token: u32, output: u32) -> f32 {
  if (kind == UNIFORM) { return 0.0; }
  if (kind == ARROW || kind == KEYS) {
    let at = token * GATE_WIDTH + output;
    let possible = pool[router + u32(pool[router + 3u].x) + output].y != 0.0;
    return select(NEVER, gate[at / 4u][at % 4u], possible);
  }
  let width4 = (u32(pool[router + 1u].y) + 3u) / 4u;
  let row = router + u32(pool[router + 2u].z) + output * width4;
  var product = vec4f(0.0);
  for (var k = 0u; k < width4; k++) {
    product = fma(pool[row + k], gate[token * (GATE_WIDTH / 4) + k], product);
  }
  return (product.x + product.y) + (product.z + product.w)
    + pool[router + u32(pool[router + 2u].w) + output / 4u][output % 4u];
}

// Runs the filter along the sequence's tokens, leaving log b_t where the evidence stood. In logarithms throughout: an
// expert that is as good as out, under a switch probability too small for f32, still comes back.
fn filter_belief(sequence: Sequence, experts: u32) {
  let state = sequence.slot * EXPERTS;
  let before = select(state, of_page(sequence, sequence.start), sequence.start % 16u == 0u);
  var log_b: array<f32, EXPERTS>;
  for (var e = 0u; e < experts; e++) {
    log_b[e] = select(belief[before + e], -log(f32(experts)), sequence.start == 0u);
  }
  for (var t = 0u; t < sequence.count; t++) {
    let at = (sequence.first + t) * STRIDE;
    let stay = -softplus(evidence[at + experts]);                           // log(1 - ρ)
    let change = -softplus(-evidence[at + experts]) - log(f32(experts));  // log(ρ / E)
    var top = NEVER;
    for (var e = 0u; e < experts; e++) {
      let stayed = stay + log_b[e];
      log_b[e] = evidence[at + e] + max(stayed, change) + log(1.0 + exp(-abs(stayed - change)));
      top = max(top, log_b[e]);
    }
    var sum = 0.0;
    for (var e = 0u; e < experts; e++) { sum += exp(log_b[e] - top); }
    let normaliser = top + log(sum);
    for (var e = 0u; e < experts; e++) {
      log_b[e] -= normaliser;
      evidence[at + e] = log_b[e];
    }
    let end = sequence.start + t + 1u;
    if (end % 16u == 0u) {
      let page = of_page(sequence, end);
      for (var e = 0u; e < experts; e++) { belief[page + e] = log_b[e]; }
    }
  }
  for (var e = 0u; e < experts; e++) { belief[state + e] = log_b[e]; }
}

// Runs along the sequence's tokens, leaving s_t of expert e where its cosine stood.
fn average_cosines(sequence: Sequence, e: u32, memory: f32) {
  let state = sequence.slot * EXPERTS + e;
  var average = belief[select(state, of_page(sequence, sequence.start) + e, sequence.start % 16u == 0u)];
  for (var t = 0u; t < sequence.count; t++) {
    let at = (sequence.first + t) * STRIDE + e;
    let position = sequence.start + t;
    let share = max(1.0 / f32(position + 1u), 1.0 - memory);
    // What stands there before the first token may be no number.
    if (position == 0u) { average = evidence[at]; } else { average += share * (evidence[at] - average); }
    evidence[at] = average;
    if ((position + 1u) % 16u == 0u) { belief[of_page(sequence, position + 1u) + e] = average; }
  }
  belief[state] = average;
}

// Where the belief after the page that ends before position `end` lies.
fn of_page(sequence: Sequence, end: u32) -> u32 {
  return (SEQUENCES + blocks[sequence.blocks + max(end, 16u) / 16u - 1u]) * EXPERTS;
}

fn softplus(v: f32) -> f32 {
  return max(v, 0.0) + log(1.0 + exp(-abs(v)));
}

fn keep_top(router: u32, fixed: u32, token: u32, experts: u32) {
  let at = token * STRIDE;
  let top_k = min(u32(pool[router].z), u32(ENTRIES));
  let soft = pool[router].w != 0.0;
  let temperature = pool[router + 1u].x;
  let addresses = router + u32(pool[router + 3u].x);
  let keyed = u32(pool[router].x) == KEYS;
  var first = 0.0;
  var sum = 0.0;
  var below = 3.4e38;  // the last kept logit, and its index: the next is the best one after it in (logit, index) order
  var behind = 0u;
  var kept = 0u;
  while (kept < top_k) {
    var best = NEVER;
    var chosen = 0u;
    for (var e = 0u; e < experts; e++) {
      let l = evidence[at + e];
      let later = l < below || (l == below && e >= behind);
      if (later && l > best && (!keyed || l >= pool[addresses + e].z)) {
        best = l;
        chosen = e;
      }
    }
    if (best == NEVER) { break; }  // the others cannot be chosen
    below = best;
    behind = chosen + 1u;
    if (kept == 0u) { first = best; }
    let weight = select(1.0 / f32(top_k), exp((best - first) / temperature), soft);
    sum += weight;
    table[token * ENTRIES + kept] = Entry(u32(pool[addresses + chosen].x), weight, chosen, 0u);
    kept++;
  }
  if (soft) {
    for (var j = 0u; j < kept; j++) {
      let weight = table[token * ENTRIES + j].gate / sum;
      table[token * ENTRIES + j].gate = weight;
    }
  }
  if (keyed && kept == 0u) {
    let fallback = u32(pool[router + 1u].w);
    table[token * ENTRIES] = Entry(u32(pool[addresses + fallback].x), 1.0, fallback, 0u);
    kept = 1u;
  }
  add_fixed(fixed, token, kept);
}

// Ends the list of a token, whose first `kept` entries its router chose.
fn add_fixed(fixed: u32, token: u32, kept: u32) {
  var count = kept;
  for (var j = 0u; count < ENTRIES; j++) {
    let entry = fixed_entries[fixed + j];
    table[token * ENTRIES + count] = entry;
    if (entry.expert == NO_EXPERT) { break; }
    count++;
  }
}

fn by_vocabulary(router: u32, fixed: u32, token: u32) {
  let id = f32(ids[token]);
  let ranges = router + u32(pool[router + 3u].y);
  let count = u32(pool[router + 3u].z);
  var chosen = u32(pool[router + 1u].w);
  for (var i = 0u; i < count; i++) {
    let range = pool[ranges + i];
    if (id >= range.x && id < range.y) {
      chosen = u32(range.z);
      break;
    }
  }
  let address = u32(pool[router + u32(pool[router + 3u].x) + chosen].x);
  table[token * ENTRIES] = Entry(address, 1.0, chosen, 0u);
  add_fixed(fixed, token, 1u);
}
