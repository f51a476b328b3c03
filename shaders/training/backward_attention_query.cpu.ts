// Semantics, shapes and source: backward_attention_query.wgsl. Items: ceil(T / 32) · HEADS, heads innermost: 32 neighbouring
// tokens.
import { gradientRow, KEYS, KEY_BYTES, runLength, scoreTile, TOKENS, weighTile } from "../cpu/causal_tiles.cpu";
import { packColumns, packTransposed } from "../cpu/columns.cpu";
import { across } from "../cpu/lanes.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { madd } from "../cpu/simd.cpu";
import { sequenceAt, stepAt, tokenAt } from "../step.cpu";

@unmanaged
export class BackwardAttentionQueryArgs {
  step: usize;
  tokens: usize;
  sequences: usize;
  qkv: usize;
  attended: usize;
  lse: usize;
  d_attended: usize;
  delta: usize;
  dqkv: usize;
  HEADS: i32;
  KV_HEADS: i32;
  DIM4: i32;
  ROW4: i32;
  SCALE: f32;
}

const PRODUCTS: usize = <usize>TOKENS * KEY_BYTES;
const PANELS: usize = 2 * PRODUCTS;

export function backward_attention_query(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardAttentionQueryArgs>(args);
  const tokens = stepAt(a.step).tokens;
  for (let item = first; item < end; item++) {
    let token = item / a.HEADS * TOKENS;
    const last = min(token + TOKENS, tokens);
    while (token < last) {
      const count = runLength(a.tokens, a.sequences, token, last);
      back(a, token, count, item % a.HEADS);
      token += count;
    }
  }
}

/** One head of tokens [token, token + count) of a sequence. */
function back(a: BackwardAttentionQueryArgs, token: i32, count: i32, head: i32): void {
  const dim = 4 * a.DIM4, bytes = <usize>a.DIM4 << 4, row = <usize>a.ROW4 << 4;
  const begin = sequenceAt(a.sequences, tokenAt(a.tokens, token).sequence).first;
  const at = <usize>token * row + <usize>head * bytes;
  const keys = a.qkv + <usize>begin * row + <usize>(a.HEADS + head / (a.HEADS / a.KV_HEADS)) * bytes;
  const values = keys + <usize>a.KV_HEADS * bytes;
  const own = <usize>(token * a.HEADS + head), stride = <usize>a.HEADS * bytes;
  const d_out = a.d_attended + own * bytes;
  for (let n = 0; n < count; n++) {
    const there = <usize>n * stride;
    store<f32>(a.delta + (own + <usize>n * a.HEADS << 2), product(d_out + there, a.attended + own * bytes + there, bytes));
  }
  const products = scratch + PRODUCTS;
  const keyPanels = scratch + PANELS, valuePanels = keyPanels + <usize>KEYS * bytes, keyColumns = valuePanels + <usize>KEYS * bytes;
  const length = token + count - begin;
  for (let base = 0; base < length; base += KEYS) {
    const seen = min(KEYS, length - base);
    packTransposed(keys + <usize>base * row, row, seen, dim, keyPanels, bytes << 3);
    packTransposed(values + <usize>base * row, row, seen, dim, valuePanels, bytes << 3);
    packColumns(keys + <usize>base * row, row, seen, dim, keyColumns);
    scoreTile(keyPanels, dim, seen, a.qkv + at, row, count, scratch);
    scoreTile(valuePanels, dim, seen, d_out, stride, count, products);
    for (let n = 0; n < count; n++) {
      const score = <usize>n * KEY_BYTES, entry = own + <usize>n * a.HEADS << 2;
      gradientRow(
        scratch + score, products + score, seen, token + n - begin - base, a.SCALE,
        load<f32>(a.lse + entry), load<f32>(a.delta + entry),
      );
    }
    weighTile(keyColumns, dim, seen, products, a.dqkv + at, row, count, base == 0);
  }
}

/** Σ x · y */
function product(x: usize, y: usize, bytes: usize): f32 {
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) sum = madd(v128.load(x + i), v128.load(y + i), sum);
  return across(sum);
}
