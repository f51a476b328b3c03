// Semantics: y[t, h] = softmax(cap(SCALE q[t, h] · K)) V over positions 0 … position(t) of t's sequence, through its pages.
// cap(s) = SOFTCAP · tanh(s / SOFTCAP), or s where SOFTCAP = 0. WINDOW > 0: of those positions the last WINDOW alone; tiles
// that end before are not read.
// Shapes: q, y [T, HEADS·HEAD_DIM] f32; pool pages hold K [KV_HEADS, 16, HEAD_DIM], then V (kv_f32.wgsl, kv_f16.wgsl).
// One workgroup takes GROUP heads that share K and V, for QUERIES neighbouring tokens: ROWS rows of q to every load of a key.
// Tiles start at absolute positions and rows do not mix, so a token's result depends on nothing but its own sequence.
// Source: online softmax, Milakov & Gimelshein 2018; tiling as FlashAttention, Dao et al. 2022.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read> blocks: array<u32>;
@group(0) @binding(4) var<storage, read> q: array<vec4f>;
@group(0) @binding(5) var<storage, read> pool: array<Cell4>;
@group(0) @binding(6) var<storage, read_write> x: array<vec4f>;

const DIM4 = u32(HEAD_DIM / 4);
const PAGE4 = u32(2 * 16 * KV_HEADS * HEAD_DIM / 4);
const STRANDS = u32(WORKGROUP) / DIM4;  // threads that share a column of V
const THREADS = u32(WORKGROUP);
const TILE = 2u * THREADS;              // positions: two a thread
const ROWS = u32(GROUP * QUERIES);      // query by query, head by head
const LOWEST = -3.0e38;                 // score of a position that a token does not see

var<workgroup> query: array<vec4f, ROWS * DIM4>;
var<workgroup> scores: array<f32, ROWS * TILE>;
var<workgroup> partial: array<f32, ROWS * THREADS>;
var<workgroup> columns: array<vec4f, THREADS>;
var<workgroup> highest: array<f32, ROWS>;
var<workgroup> denominators: array<f32, ROWS>;

// Neighbouring tokens of one sequence.
struct Run {
  first: u32,   // token
  count: u32,
  table: u32,   // where the sequence's page numbers begin
  begin: u32,   // of the first tile that its first token sees
  length: u32,  // positions up to its last token
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let end = min((group.y + 1u) * QUERIES, step.tokens);
  var first = group.y * QUERIES;
  while (first < end) {
    let sequence = tokens[first].sequence;
    var count = 1u;
    while (first + count < end && tokens[first + count].sequence == sequence) { count++; }
    let begin = window_start(tokens[first].position) / TILE * TILE;
    let length = tokens[first + count - 1u].position + 1u;
    attend(Run(first, count, sequences[sequence].blocks, begin, length), group.x * GROUP, lane);
    first += count;
  }
}

fn attend(run: Run, head0: u32, lane: u32) {
  // DIM4, where the compiler must not know it: it would unroll the loops, and take seconds over that.
  let dim4 = min(DIM4, step.tokens * DIM4);
  for (var i = lane; i < ROWS * DIM4; i += THREADS) {
    let row = i / DIM4;
    query[i] = q[(token_of(run, row) * HEADS + head0 + row % GROUP) * DIM4 + i % DIM4] * SCALE;
  }
  if (lane < ROWS) { highest[lane] = LOWEST; }
  workgroupBarrier();

  let kv_head = head0 / u32(HEADS / KV_HEADS);
  let column = lane % DIM4;
  let strand = lane / DIM4;
  var weight = array<f32, ROWS>();  // this thread's share of the denominators
  var sum = array<vec4f, ROWS>();   // its strand's share of the numerators
  // Arrays are begun in words: in a loop, one without an initial value was seen to keep what it held before.
  for (var base = run.begin; base < run.length; base += TILE) {
    let count = min(TILE, run.length - base);
    let last = run.length - 1u;
    let a = cell(run, kv_head, min(base + lane, last));
    let b = cell(run, kv_head, min(base + lane + THREADS, last));
    var score_a = array<f32, ROWS>();
    var score_b = array<f32, ROWS>();
    for (var d = 0u; d < dim4; d++) {
      let key_a = widened(pool[a + d]);
      let key_b = widened(pool[b + d]);
      for (var row = 0u; row < ROWS; row++) {
        let v = query[row * DIM4 + d];
        score_a[row] = fma(v.x, key_a.x, fma(v.y, key_a.y, fma(v.z, key_a.z, fma(v.w, key_a.w, score_a[row]))));
        score_b[row] = fma(v.x, key_b.x, fma(v.y, key_b.y, fma(v.z, key_b.z, fma(v.w, key_b.w, score_b[row]))));
      }
    }
    for (var row = 0u; row < ROWS; row++) {
      let position = tokens[token_of(run, row)].position;
      score_a[row] = seen_score(score_a[row], base + lane, position);
      score_b[row] = seen_score(score_b[row], base + lane + THREADS, position);
      partial[row * THREADS + lane] = max(score_a[row], score_b[row]);
    }
    workgroupBarrier();
    if (lane < ROWS) {
      var top = highest[lane];
      for (var i = 0u; i < min(THREADS, count); i++) { top = max(top, partial[lane * THREADS + i]); }
      partial[lane * THREADS] = exp(highest[lane] - top);
      highest[lane] = top;
    }
    workgroupBarrier();
    for (var row = 0u; row < ROWS; row++) {
      let peak = highest[row];
      let shrink = partial[row * THREADS];
      let e_a = exp(score_a[row] - peak);
      let e_b = exp(score_b[row] - peak);
      scores[row * TILE + lane] = e_a;
      scores[row * TILE + lane + THREADS] = e_b;
      weight[row] = weight[row] * shrink + e_a + e_b;
      sum[row] *= shrink;
    }
    workgroupBarrier();
    for (var i = strand; i < count; i += STRANDS) {
      let value = widened(pool[cell(run, kv_head, base + i) + PAGE4 / 2u + column]);
      for (var row = 0u; row < ROWS; row++) {
        sum[row] = fma(vec4f(scores[row * TILE + i]), value, sum[row]);
      }
    }
    workgroupBarrier();
  }

  for (var row = 0u; row < ROWS; row++) { partial[row * THREADS + lane] = weight[row]; }
  workgroupBarrier();
  if (lane < ROWS) {
    var denominator = 0.0;
    for (var i = 0u; i < min(THREADS, run.length); i++) { denominator += partial[lane * THREADS + i]; }
    denominators[lane] = denominator;
  }
  for (var row = 0u; row < ROWS; row++) {
    columns[lane] = sum[row];
    workgroupBarrier();
    if (lane < DIM4 && row / GROUP < run.count) {
      var numerator = vec4f(0.0);
      for (var i = lane; i < THREADS; i += dim4) { numerator += columns[i]; }
      x[(token_of(run, row) * HEADS + head0 + row % GROUP) * DIM4 + lane] = numerator / denominators[row];
    }
    workgroupBarrier();
  }
}

// The first position that a token at `position` sees.
fn window_start(position: u32) -> u32 {
  if (WINDOW == 0) { return 0u; }
  return max(position + 1u, WINDOW) - WINDOW;
}

// The score of key `at` for a token at `position`. (A tile that a row sees nothing of counts for nothing once it has seen
// a key: all before shrinks by exp(LOWEST) = 0.)
fn seen_score(score: f32, at: u32, position: u32) -> f32 {
  var s = score;
  // Beyond ±10, tanh is ±1 to the last bit; some drivers overflow there.
  if (SOFTCAP > 0) { s = SOFTCAP * tanh(clamp(s / max(SOFTCAP, 1.0e-30), -10.0, 10.0)); }
  return select(LOWEST, s, at <= position && at >= window_start(position));
}

// A row's token; rows past the run's end compute its last token again, and store nothing.
fn token_of(run: Run, row: u32) -> u32 {
  return run.first + min(row / GROUP, run.count - 1u);
}

// Where a position's key begins in the pool.
fn cell(run: Run, kv_head: u32, position: u32) -> u32 {
  return blocks[run.table + position / 16u] * PAGE4 + (kv_head * 16u + position % 16u) * DIM4;
}
