// Semantics, shapes and source: causal_attention.wgsl. Items: ceil(T / 32) · HEADS, heads innermost: 32 neighbouring tokens.
import { KEYS, KEY_BYTES, runLength, scoreTile, TOKENS, weighTile } from "../cpu/causal_tiles.cpu";
import { packColumns, packTransposed } from "../cpu/columns.cpu";
import { across, highest } from "../cpu/lanes.cpu";
import { exp1, exp4, log1 } from "../cpu/math.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { sequenceAt, stepAt, tokenAt } from "../step.cpu";

@unmanaged
export class CausalAttentionArgs {
  step: usize;
  tokens: usize;
  sequences: usize;
  qkv: usize;
  attended: usize;
  lse: usize;
  HEADS: i32;
  KV_HEADS: i32;
  DIM4: i32;
  ROW4: i32;
  SCALE: f32;
}

/** Score of a position that a token does not see. */
const LOWEST: f32 = -3.0e38;

/** What a token has come to so far; those of an item begin the scratch memory. */
@unmanaged
class Row {
  peak: f32; // the highest score
  pad: f32;
  pad1: f32;
  pad2: f32;
  w0: f32;   // four running shares of the denominator
  w1: f32;
  w2: f32;
  w3: f32;
}
const ROW_BYTES: usize = 32;
const SCORES: usize = <usize>TOKENS * ROW_BYTES;
const PANELS: usize = SCORES + <usize>TOKENS * KEY_BYTES;

@inline function rowAt(n: i32): Row { return changetype<Row>(scratch + <usize>n * ROW_BYTES); }

export function causal_attention(args: usize, first: i32, end: i32): void {
  const a = changetype<CausalAttentionArgs>(args);
  const tokens = stepAt(a.step).tokens;
  for (let item = first; item < end; item++) {
    let token = item / a.HEADS * TOKENS;
    const last = min(token + TOKENS, tokens);
    while (token < last) {
      const count = runLength(a.tokens, a.sequences, token, last);
      attend(a, token, count, item % a.HEADS);
      token += count;
    }
  }
}

/** One head of tokens [token, token + count) of a sequence. */
function attend(a: CausalAttentionArgs, token: i32, count: i32, head: i32): void {
  const dim = 4 * a.DIM4, bytes = <usize>a.DIM4 << 4, row = <usize>a.ROW4 << 4;
  const begin = sequenceAt(a.sequences, tokenAt(a.tokens, token).sequence).first;
  const queries = a.qkv + <usize>token * row + <usize>head * bytes;
  const keys = a.qkv + <usize>begin * row + <usize>(a.HEADS + head / (a.HEADS / a.KV_HEADS)) * bytes;
  const values = keys + <usize>a.KV_HEADS * bytes;
  const out = a.attended + <usize>(token * a.HEADS + head) * bytes, stride = <usize>a.HEADS * bytes;
  const scores = scratch + SCORES, keyPanels = scratch + PANELS, valuePanels = keyPanels + <usize>KEYS * bytes;
  for (let n = 0; n < count; n++) {
    const state = rowAt(n);
    state.peak = LOWEST;
    v128.store(changetype<usize>(state), f32x4.splat(0), 16);
  }
  const length = token + count - begin;
  for (let base = 0; base < length; base += KEYS) {
    const seen = min(KEYS, length - base);
    packTransposed(keys + <usize>base * row, row, seen, dim, keyPanels, bytes << 3);
    packColumns(values + <usize>base * row, row, seen, dim, valuePanels);
    scoreTile(keyPanels, dim, seen, queries, row, count, scores);
    for (let n = 0; n < count; n++) {
      const correction = weigh(rowAt(n), scores + <usize>n * KEY_BYTES, seen, token + n - begin - base, a.SCALE);
      if (base > 0) scale(out + <usize>n * stride, bytes, correction);
    }
    weighTile(valuePanels, dim, seen, scores, out, stride, count, base == 0);
  }
  for (let n = 0; n < count; n++) {
    const state = rowAt(n);
    const weight = across(v128.load(changetype<usize>(state), 16));
    scale(out + <usize>n * stride, bytes, 1 / weight);
    store<f32>(a.lse + (<usize>((token + n) * a.HEADS + head) << 2), state.peak + log1(weight));
  }
}

/** A row's scores to weights, exp(score − highest so far), 0 behind key `visible`. Gives what sums so far count for now. */
function weigh(row: Row, scores: usize, seen: i32, visible: i32, scale: f32): f32 {
  const scales = f32x4.splat(scale), position = i32x4.splat(visible);
  const bytes = <usize>seen << 2;
  let top = f32x4.splat(row.peak);
  let at = i32x4(0, 1, 2, 3);
  for (let i: usize = 0; i < bytes; i += 16) {
    const s = v128.bitselect(f32x4.mul(v128.load(scores + i), scales), f32x4.splat(LOWEST), i32x4.le_s(at, position));
    v128.store(scores + i, s);
    top = f32x4.pmax(top, s);
    at = i32x4.add(at, i32x4.splat(4));
  }
  const peak = highest(top);
  const correction = exp1(row.peak - peak);
  row.peak = peak;
  let weight = f32x4.mul(v128.load(changetype<usize>(row), 16), f32x4.splat(correction));
  for (let i: usize = 0; i < bytes; i += 16) {
    const e = exp4(f32x4.sub(v128.load(scores + i), f32x4.splat(peak)));
    v128.store(scores + i, e);
    weight = f32x4.add(weight, e);
  }
  v128.store(changetype<usize>(row), weight, 16);
  return correction;
}

function scale(row: usize, bytes: usize, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(row + i, f32x4.mul(v128.load(row + i), factors));
}
