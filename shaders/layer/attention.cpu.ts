// Semantics: x[t, h] = softmax(cap(SCALE q[t, h] · K)) V over positions 0 … position(t) of t's sequence, through its pages.
// cap(s) = SOFTCAP · tanh(s / SOFTCAP), or s where SOFTCAP = 0. WINDOW > 0: of those positions the last WINDOW alone; tiles
// that end before are not read.
// Shapes: q, x [T, HEADS·HEAD_DIM] f32; pool pages hold K [KV_HEADS, 16, HEAD_DIM], then V; xq, xs: x in int8 blocks, where
// xq is not null: then GROUP · HEAD_DIM must be a multiple of 32.
// Items: ceil(T / 4) · HEADS / GROUP, heads innermost: GROUP neighbouring heads of four neighbouring tokens.
// Tiles of keys start at absolute positions and rows do not mix, so a token's result depends on its own sequence alone.
// Source: online softmax, Milakov & Gimelshein 2018; tiling as FlashAttention, Dao et al. 2022.
import { weightedOne, weightedTwo } from "../cpu/attention_values.cpu";
import { dotsEight, dotsTwo } from "../cpu/dots.cpu";
import { across, highest } from "../cpu/lanes.cpu";
import { widenCells } from "../cpu/kv_cells.cpu";
import { exp1, exp4, softcap4 } from "../cpu/math.cpu";
import { finish } from "../cpu/quantize_blocks.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { sequenceAt, stepAt, tokenAt } from "../step.cpu";

@unmanaged
export class AttentionArgs {
  step: usize;
  tokens: usize;
  sequences: usize;
  blocks: usize;
  q: usize;
  pool: usize;
  x: usize;
  xq: usize;
  xs: usize;
  HEADS: i32;
  KV_HEADS: i32;
  HEAD_DIM: i32;
  GROUP: i32;
  SCALE: f32;
  SOFTCAP: f32;
  WINDOW: i32;
  KV_HALF: i32;
}

/** Tokens of an item: rows of q that meet a key while it is in the first cache. */
const QUERIES: i32 = 4;
/** Positions between two corrections of the softmax: four pages. */
const TILE: i32 = 64;
/** Score of a position that a token does not see. */
const LOWEST: f32 = -3.0e38;

/** What a row of q has come to so far; four of them begin the scratch memory. */
@unmanaged
class Row {
  peak: f32;       // the highest score
  correction: f32; // what sums so far count for since the last tile
  position: i32;   // the last that it sees
  pad: i32;
  w0: f32;         // four running shares of the denominator
  w1: f32;
  w2: f32;
  w3: f32;
}
const ROW_BYTES: usize = 32;
const SCORES: usize = <usize>QUERIES * ROW_BYTES;
const VECTORS: usize = SCORES + <usize>(QUERIES * TILE * 4);

/** Where halves are used: the rows of a tile as floats, and the numbers of the pages that they would lie in. */
const WIDE: usize = 64 << 10;
const IN_ORDER: usize = WIDE - 16;

@inline function rowAt(n: i32): Row { return changetype<Row>(scratch + <usize>n * ROW_BYTES); }
@inline function scoresAt(n: i32): usize { return scratch + SCORES + <usize>(n * TILE << 2); }
@inline function queryAt(n: i32, bytes: usize): usize { return scratch + VECTORS + <usize>n * bytes; }
@inline function sumsAt(n: i32, bytes: usize): usize { return scratch + VECTORS + <usize>(QUERIES + n) * bytes; }

export function attention(args: usize, first: i32, end: i32): void {
  const a = changetype<AttentionArgs>(args);
  const groups = a.HEADS / a.GROUP;
  const tokens = stepAt(a.step).tokens;
  for (let item = first; item < end; item++) {
    const head0 = item % groups * a.GROUP;
    let token = item / groups * QUERIES;
    const last = min(token + QUERIES, tokens);
    while (token < last) {
      const sequence = tokenAt(a.tokens, token).sequence;
      let count = 1;
      while (token + count < last && tokenAt(a.tokens, token + count).sequence == sequence) count++;
      const pages = a.blocks + (<usize>sequenceAt(a.sequences, sequence).blocks << 2);
      for (let h = head0; h < head0 + a.GROUP; h++) attend(a, token, count, pages, h);
      for (let n = 0; n < count; n++) {
        finish(a.x, a.xq, a.xs, ((token + n) * a.HEADS + head0) * a.HEAD_DIM, a.GROUP * a.HEAD_DIM);
      }
      token += count;
    }
  }
}

/** One head of `count` neighbouring tokens of a sequence. `pages`: its page numbers. */
function attend(a: AttentionArgs, first: i32, count: i32, pages: usize, head: i32): void {
  const bytes = <usize>a.HEAD_DIM << 2;
  const cellBytes = a.KV_HALF ? bytes >> 1 : bytes;
  const pageBytes = <usize>(2 * 16 * a.KV_HEADS) * cellBytes;
  const keys = a.pool + <usize>(head / (a.HEADS / a.KV_HEADS) * 16) * cellBytes;
  const values = keys + (pageBytes >> 1);
  if (a.KV_HALF) v128.store(scratch + IN_ORDER, i32x4(0, 1, 2, 3));
  const scale = f32x4.splat(a.SCALE);
  for (let n = 0; n < count; n++) {
    const row = rowAt(n);
    row.peak = LOWEST;
    row.position = tokenAt(a.tokens, first + n).position;
    v128.store(changetype<usize>(row), f32x4.splat(0), 16);
    const q = a.q + <usize>((first + n) * a.HEADS + head) * bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(queryAt(n, bytes) + i, f32x4.mul(v128.load(q + i), scale));
      v128.store(sumsAt(n, bytes) + i, f32x4.splat(0));
    }
  }
  const length = tokenAt(a.tokens, first + count - 1).position + 1;
  const begin = a.WINDOW ? max(0, tokenAt(a.tokens, first).position + 1 - a.WINDOW) & ~(TILE - 1) : 0;
  for (let base = begin; base < length; base += TILE) {
    const seen = min(TILE, length - base);
    const list = pages + (<usize>base >> 2);
    if (a.KV_HALF) {
      widenCells(keys, pageBytes, list, seen, a.HEAD_DIM, scratch + WIDE);
      score(scratch + WIDE, 16 * bytes, scratch + IN_ORDER, seen, count, bytes);
    } else score(keys, pageBytes, list, seen, count, bytes);
    for (let n = 0; n < count; n++) {
      if (a.SOFTCAP > 0) cap(scoresAt(n), seen, a.SOFTCAP);
      if (a.WINDOW) hide(scoresAt(n), rowAt(n).position + 1 - a.WINDOW - base, seen);
      weigh(n, base, seen);
    }
    if (a.KV_HALF) {
      widenCells(values, pageBytes, list, seen, a.HEAD_DIM, scratch + WIDE);
      add(scratch + WIDE, 16 * bytes, scratch + IN_ORDER, seen, count, bytes);
    } else add(values, pageBytes, list, seen, count, bytes);
  }
  for (let n = 0; n < count; n++) {
    const inverse = f32x4.splat(1 / across(v128.load(changetype<usize>(rowAt(n)), 16)));
    const x = a.x + <usize>((first + n) * a.HEADS + head) * bytes;
    for (let i: usize = 0; i < bytes; i += 16) v128.store(x + i, f32x4.mul(v128.load(sumsAt(n, bytes) + i), inverse));
  }
}

/** A tile's values into the rows' sums. */
function add(values: usize, pageBytes: usize, list: usize, seen: i32, count: i32, bytes: usize): void {
  let n = 0;
  for (; n + 1 < count; n += 2) {
    const corrections = rowAt(n).correction, others = rowAt(n + 1).correction;
    weightedTwo(values, pageBytes, list, seen, bytes, scoresAt(n), scoresAt(n + 1), corrections, others, sumsAt(n, bytes), sumsAt(n + 1, bytes));
  }
  if (n < count) weightedOne(values, pageBytes, list, seen, bytes, scoresAt(n), rowAt(n).correction, sumsAt(n, bytes));
}

/** Scores of a tile's first `seen` positions, and of those that fill up the last eight. */
function score(keys: usize, pageBytes: usize, list: usize, seen: i32, count: i32, bytes: usize): void {
  for (let p = 0; p < seen; p += 8) {
    const k = keys + <usize>load<u32>(list + (<usize>(p >> 4) << 2)) * pageBytes + <usize>(p & 15) * bytes;
    let n = 0;
    for (; n + 1 < count; n += 2) {
      scoreFour(k, n, p, bytes);
      scoreFour(k + 4 * bytes, n, p + 4, bytes);
    }
    if (n < count) dotsEight(queryAt(n, bytes), k, bytes, scoresAt(n) + (<usize>p << 2));
  }
}

/** Rows n and n + 1 against four positions. */
function scoreFour(k: usize, n: i32, p: i32, bytes: usize): void {
  const pair = scratch + VECTORS + <usize>(2 * QUERIES) * bytes;
  dotsTwo(queryAt(n, bytes), queryAt(n + 1, bytes), k, k + bytes, k + 2 * bytes, k + 3 * bytes, bytes, pair);
  v128.store(scoresAt(n) + (<usize>p << 2), v128.load(pair));
  v128.store(scoresAt(n + 1) + (<usize>p << 2), v128.load(pair, 16));
}

/** Scores s of a tile to softcap · tanh(s / softcap). */
function cap(scores: usize, seen: i32, softcap: f32): void {
  for (let i: usize = 0; i < <usize>seen << 2; i += 16) v128.store(scores + i, softcap4(v128.load(scores + i), softcap));
}

/**
 * Those of a tile's first `hidden` positions to LOWEST. A tile that a row sees nothing of counts for nothing once the row has
 * seen a key: all before is corrected by exp(LOWEST) = 0.
 */
function hide(scores: usize, hidden: i32, seen: i32): void {
  for (let p = 0; p < min(hidden, seen); p++) store<f32>(scores + (<usize>p << 2), LOWEST);
}

/** A row's scores to weights, exp(score − highest so far). */
function weigh(n: i32, base: i32, seen: i32): void {
  const row = rowAt(n), scores = scoresAt(n);
  const position = i32x4.splat(row.position - base);
  const bytes = <usize>seen << 2;
  let top = f32x4.splat(row.peak);
  let at = i32x4(0, 1, 2, 3);
  for (let i: usize = 0; i < bytes; i += 16) {
    const s = v128.bitselect(v128.load(scores + i), f32x4.splat(LOWEST), i32x4.le_s(at, position));
    v128.store(scores + i, s);
    top = f32x4.pmax(top, s);
    at = i32x4.add(at, i32x4.splat(4));
  }
  const peak = highest(top);
  row.correction = exp1(row.peak - peak);
  row.peak = peak;
  let weight = f32x4.mul(v128.load(changetype<usize>(row), 16), f32x4.splat(row.correction));
  for (let i: usize = 0; i < bytes; i += 16) {
    const e = exp4(f32x4.sub(v128.load(scores + i), f32x4.splat(peak)));
    v128.store(scores + i, e);
    weight = f32x4.add(weight, e);
  }
  v128.store(changetype<usize>(row), weight, 16);
}
