// Semantics: for every token of a sequence, its list of (adapter, gate): a copy of the sequence's fixed list, or its
// router's choice. Logits: mlp z = fc2 · gate + b2, memoryless ℓ = z, belief ℓ = log b_t with
// b_t ∝ exp(z[0..E)) ⊙ ((1 − ρ) b_{t−1} + ρ / E), ρ = sigmoid(z[E]); arrow ℓ = |v · x|; uniform ℓ = 0; vocabulary: by id;
// keys ℓ = the cosines' average s_t = s_{t−1} + max(1 / (t + 1), 1 − memory) (cos_t − s_{t−1}), where it reaches the threshold.
// Gates: p = softmax(ℓ / temperature), the top k kept (ties: lower index), 1/k each or renormalised. An expert that cannot
// be chosen (arrow: without a prototype; keys: below its threshold) is never kept, so a list may be shorter than k. Where no key
// is met, the default expert stands alone. What a router chose is followed by the sequence's fixed list, which is empty where
// nothing stands beside the router.
// Shapes: gate [T, GATE_WIDTH], evidence [T, EXPERTS + 1] scratch, belief [SEQUENCES + pages, EXPERTS] log b or s, of every
// sequence's last token and of the last token in every full page of KV; table [T, ENTRIES].
// Items: sequences, since a belief runs through a sequence's tokens in order. It begins from the page before, where there is
// a full one: the page may have been filled for another sequence that began alike.
import { copyBytes } from "../cpu/bytes.cpu";
import { filterBelief } from "../cpu/belief.cpu";
import { averageCosines } from "../cpu/cosines.cpu";
import { across } from "../cpu/lanes.cpu";
import { exp1 } from "../cpu/math.cpu";
import { ARROW, behind, KEYS, NEVER, Router, routerAt, UNIFORM, VOCABULARY } from "../cpu/router.cpu";
import { madd } from "../cpu/simd.cpu";
import { Entry, entryAt, NO_EXPERT, sequenceAt } from "../step.cpu";

@unmanaged
export class RouteArgs {
  sequences: usize;
  fixed_entries: usize;
  ids: usize;
  gate: usize;
  pool: usize;
  evidence: usize;
  belief: usize;
  table: usize;
  blocks: usize;
  SEQUENCES: i32;
  ENTRIES: i32;
  EXPERTS: i32;
  GATE_WIDTH: i32;
}

export function route(args: usize, first: i32, end: i32): void {
  const a = changetype<RouteArgs>(args);
  for (let s = first; s < end; s++) {
    const sequence = sequenceAt(a.sequences, s);
    const from = sequence.first, behindLast = from + sequence.count;
    if (sequence.router == 0) {
      const list = changetype<usize>(entryAt(a.fixed_entries, sequence.fixed));
      for (let t = from; t < behindLast; t++) {
        copyBytes(changetype<usize>(entryAt(a.table, t * a.ENTRIES)), list, <usize>a.ENTRIES << 4);
      }
      continue;
    }
    const router = routerAt(a.pool, sequence.router);
    if (<i32>router.kind == VOCABULARY) {
      for (let t = from; t < behindLast; t++) byVocabulary(a, router, sequence.fixed, t);
      continue;
    }
    const experts = <i32>router.experts;
    const keyed = <i32>router.kind == KEYS;
    const believes = !keyed && router.memory != 0;
    for (let t = from; t < behindLast; t++) {
      const evidence = evidenceOf(a, t);
      for (let i = 0; i < experts + (believes ? 1 : 0); i++) {
        store<f32>(evidence + (<usize>i << 2), logit(a, router, t, i));
      }
    }
    if (believes) filterBelief(sequence, experts, evidenceOf(a, from), a.belief, a.blocks, a.SEQUENCES, a.EXPERTS);
    if (keyed && router.memory != 0) {
      averageCosines(sequence, experts, router.memory, evidenceOf(a, from), a.belief, a.blocks, a.SEQUENCES, a.EXPERTS);
    }
    for (let t = from; t < behindLast; t++) keepTop(a, router, sequence.fixed, t, experts);
  }
}

@inline
function evidenceOf(a: RouteArgs, token: i32): usize {
  return a.evidence + (<usize>(token * (a.EXPERTS + 1)) << 2);
}

/** Expert e of a router: (address of its adapter, whether it has a prototype or a key, threshold, -). */
@inline
function expertAt(router: Router, e: i32): usize {
  return behind(router, router.experts_at) + (<usize>e << 4);
}

function logit(a: RouteArgs, router: Router, token: i32, output: i32): f32 {
  const kind = <i32>router.kind;
  if (kind == UNIFORM) return 0;
  const gate = a.gate + (<usize>(token * a.GATE_WIDTH) << 2);
  if (kind == ARROW || kind == KEYS) return load<f32>(expertAt(router, output), 4) != 0 ? load<f32>(gate + (<usize>output << 2)) : NEVER;
  const bytes = <usize>((<i32>router.width + 3) >> 2) << 4;
  const row = behind(router, router.fc2) + <usize>output * bytes;
  let product = f32x4.splat(0);
  for (let k: usize = 0; k < bytes; k += 16) product = madd(v128.load(row + k), v128.load(gate + k), product);
  return across(product) + load<f32>(behind(router, router.b2) + (<usize>output << 2));
}

function keepTop(a: RouteArgs, router: Router, fixed: i32, token: i32, experts: i32): void {
  const logits = evidenceOf(a, token);
  const most = min(<i32>router.top_k, a.ENTRIES);
  const soft = router.soft != 0;
  const keyed = <i32>router.kind == KEYS;
  let best: f32 = 0, sum: f32 = 0;
  // The last kept logit, and its index: the next is the best one after it in (logit, index) order.
  let below: f32 = 3.4e38;
  let after = 0, kept = 0;
  while (kept < most) {
    let highest = NEVER;
    let chosen = 0;
    for (let e = 0; e < experts; e++) {
      const l = load<f32>(logits + (<usize>e << 2));
      const later = l < below || (l == below && e >= after);
      if (later && l > highest && (!keyed || l >= load<f32>(expertAt(router, e), 8))) {
        highest = l;
        chosen = e;
      }
    }
    if (highest == NEVER) break; // the others cannot be chosen
    below = highest;
    after = chosen + 1;
    if (kept == 0) best = highest;
    const weight: f32 = soft ? exp1((highest - best) / router.temperature) : 1 / <f32>most;
    sum += weight;
    put(entryAt(a.table, token * a.ENTRIES + kept), <i32>load<f32>(expertAt(router, chosen)), weight, chosen);
    kept++;
  }
  if (soft) {
    for (let j = 0; j < kept; j++) {
      const entry = entryAt(a.table, token * a.ENTRIES + j);
      entry.gate = entry.gate / sum;
    }
  }
  if (keyed && kept == 0) {
    const fallback = <i32>router.default_expert;
    put(entryAt(a.table, token * a.ENTRIES), <i32>load<f32>(expertAt(router, fallback)), 1, fallback);
    kept = 1;
  }
  addFixed(a, fixed, token, kept);
}

/** Ends the list of a token, whose first `kept` entries its router chose. */
function addFixed(a: RouteArgs, fixed: i32, token: i32, kept: i32): void {
  for (let j = 0; kept + j < a.ENTRIES; j++) {
    const entry = entryAt(a.fixed_entries, fixed + j);
    put(entryAt(a.table, token * a.ENTRIES + kept + j), entry.address, entry.gate, entry.expert);
    if (entry.expert == NO_EXPERT) return;
  }
}

@inline
function put(entry: Entry, address: i32, gate: f32, expert: u32): void {
  entry.address = address;
  entry.gate = gate;
  entry.expert = expert;
  entry.pad = 0;
}

function byVocabulary(a: RouteArgs, router: Router, fixed: i32, token: i32): void {
  const id = <f32>load<u32>(a.ids + (<usize>token << 2));
  const count = <i32>router.ranges;
  let range = behind(router, router.ranges_at);
  let chosen = <i32>router.default_expert;
  for (let i = 0; i < count; i++) {
    if (id >= load<f32>(range) && id < load<f32>(range, 4)) {
      chosen = <i32>load<f32>(range, 8);
      break;
    }
    range += 16;
  }
  put(entryAt(a.table, token * a.ENTRIES), <i32>load<f32>(expertAt(router, chosen)), 1, chosen);
  addFixed(a, fixed, token, 1);
}
